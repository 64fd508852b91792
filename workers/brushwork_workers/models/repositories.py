"""A repository on a hub at one commit: what its files are, and how they are fetched."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from brushwork_schemas.catalogue import Source

from brushwork_workers.models.hub import HubRepository, RemoteFile
from brushwork_workers.models.listing import Listing
from brushwork_workers.models.modelscope import ModelScopeRepository


class RemoteRepository(Listing, Protocol):
    """A repository at one commit, on any hub."""

    @property
    def files(self) -> Mapping[str, RemoteFile]:
        """All files, by name.

        Raises:
            ModelUnavailable: The repository or the commit does not exist, or the token gives no access to it.
            ServiceUnreachable: The hub cannot be reached.
        """
        ...

    @property
    def licence(self) -> str | None:
        """The licence that the hub names."""
        ...

    @property
    def is_gated(self) -> bool:
        """Whether the licence must be accepted before a download."""
        ...

    @property
    def page(self) -> str:
        """The address of its page."""
        ...

    def fetch(self, name: str, folder: Path, report: Callable[[int], None]) -> str:
        """Download a file into `folder`, or resume its download, check its content and return its SHA-256.

        Args:
            name: The name of the file in the repository.
            folder: The folder to write to.
            report: Called with the number of bytes of each part that arrives.

        Raises:
            HashMismatch: The file is not the one that the hub describes. It is deleted.
            ModelUnavailable: The download is not allowed.
            ServiceUnreachable: The hub cannot be reached.
        """
        ...


def remote_repository(source: Source, scratch: Path) -> RemoteRepository:
    """Return the repository of a source.

    Args:
        source: A source with a repository on Hugging Face or on ModelScope.
        scratch: An empty folder, into which configurations are downloaded to read them.
    """
    if source.modelscope is not None:
        return ModelScopeRepository(source.modelscope, str(source.revision), scratch)
    return HubRepository(str(source.repository), str(source.revision), scratch)
