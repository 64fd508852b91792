"""What the shell is offered when somebody presses the tab key."""

from contextlib import suppress

from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.kinds.registry import all_kinds


def kinds() -> list[str]:
    """All kinds of jobs."""
    return list(all_kinds())


def models() -> list[str]:
    """The models of the catalogue that is set here."""
    # Whatever is wrong, the shell wants words and no complaint.
    with suppress(BrushworkError):
        return [model.name for model in Catalogue.load(Settings.load().catalogue)]
    return []
