"""The files of a model, in a folder or on the hub, as far as it takes to tell what loading would read."""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from brushwork_schemas.errors import ModelUnavailable

# What download tools and version control leave in a folder.
_IGNORED = (".cache", ".git")


class Listing(Protocol):
    """Names of files by their path below the top folder, with `/`, and what the small ones say."""

    @property
    def names(self) -> frozenset[str]:
        """Every file."""
        ...

    def read(self, name: str) -> dict[str, Any]:
        """The content of a JSON file that is there.

        Raises:
            ModelUnavailable: It is no JSON object.
        """
        ...


class FolderListing:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def names(self) -> frozenset[str]:
        """Every file."""
        found = (file.relative_to(self._folder) for file in self._folder.rglob("*") if file.is_file())
        return frozenset(path.as_posix() for path in found if path.parts[0] not in _IGNORED)

    def read(self, name: str) -> dict[str, Any]:
        """The content of a JSON file that is there."""
        return parsed(name, lambda: (self._folder / name).read_text("utf-8"))


def parsed(name: str, text: Callable[[], str]) -> dict[str, Any]:
    """The JSON object that `text` gives.

    Raises:
        ModelUnavailable: It gives none.
    """
    try:
        content = json.loads(text())
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"{name} can't be read: {error}.", field="source", hint="Fetch the file again."
        ) from error
    if not isinstance(content, dict):
        raise ModelUnavailable(
            f"{name} can't be read: it is no JSON object.", field="source", hint="Fetch the file again."
        )
    return content
