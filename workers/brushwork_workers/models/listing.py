"""The names of the files of a model and the content of its configurations, in a folder or on the hub."""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import private, said

# Folders of download tools and version control.
_IGNORED = (".cache", ".git")


class Listing(Protocol):
    """The files of a model. A name is the path below the top folder, with `/`."""

    @property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        ...

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the listing.

        Raises:
            ModelUnavailable: The file is not a JSON object.
        """
        ...


class FolderListing:
    """The files of a folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        found = (file.relative_to(self._folder) for file in self._folder.rglob("*") if file.is_file())
        return frozenset(path.as_posix() for path in found if path.parts[0] not in _IGNORED)

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the folder."""
        return parsed(name, lambda: (self._folder / name).read_text("utf-8"))


class FileListing:
    """One file of a folder on this machine, which has no configuration."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def names(self) -> frozenset[str]:
        """The name of the file, if it exists."""
        return frozenset((self._file.name,) if self._file.is_file() else ())

    def read(self, name: str) -> dict[str, Any]:
        """Read it as a JSON file."""
        return parsed(name, lambda: (self._file.parent / name).read_text("utf-8"))


def parsed(name: str, text: Callable[[], str]) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        name: The name of the file, for messages.
        text: Returns the content of the file.

    Raises:
        ModelUnavailable: The file cannot be read, or is not a JSON object.
    """
    try:
        content = json.loads(text())
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            said("{name} cannot be read: {error}.", name=name, error=private(error)),
            field="source",
            hint="Download the file again.",
        ) from error
    if not isinstance(content, dict):
        raise ModelUnavailable(
            said("{name} cannot be read: it is not a JSON object.", name=name),
            field="source",
            hint="Download the file again.",
        )
    return content
