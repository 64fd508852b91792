"""What is said of an archive that is refused."""

from brushwork_schemas.errors import InvalidDataset
from brushwork_schemas.wording.phrase import said

SHOWN_CHARACTERS = 120
_HINT = "Send a zip, tar or tar.gz with one folder of pictures for each class."


def refused(reason: str, hint: str = _HINT) -> InvalidDataset:
    """Return the error for a data set.

    Args:
        reason: What is wrong, as a clause with a full stop.
        hint: How to fix it.
    """
    return InvalidDataset(said("dataset: {reason}", reason=reason), field="dataset", hint=hint)


def shown(name: str) -> str:
    """Return the name of a file for an error message: ASCII, and cut to 120 characters."""
    return ascii(name if len(name) <= SHOWN_CHARACTERS else name[:SHOWN_CHARACTERS] + "...")
