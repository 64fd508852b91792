"""Completion of kinds and models in the shell."""

from contextlib import suppress

from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.kinds.registry import all_kinds


def kinds() -> list[str]:
    """Return the names of all kinds."""
    return list(all_kinds())


def models() -> list[str]:
    """Return the names of the models in the catalogue; none if the catalogue cannot be read."""
    # An error message would appear inside the command line that the user types.
    with suppress(BrushworkError):
        return [model.name for model in Catalogue.load(Settings.load().catalogue)]
    return []
