"""A repository on the Hugging Face hub at one commit: its files, and their verified download."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from brushwork_schemas.errors import (
    BrushworkError,
    HashMismatch,
    ModelFileMissing,
    ModelUnavailable,
    ServiceUnreachable,
)
from brushwork_schemas.wording.phrase import private, said
from huggingface_hub import HfApi, errors, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

from brushwork_workers.models.fingerprint import Fingerprints
from brushwork_workers.models.listing import parsed

# The exception of the HTTP library that huggingface_hub uses.
HTTP_ERROR: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
ByteProgress = Callable[[int], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub describes it.

    Args:
        size_bytes: The size of the file.
        sha256: The SHA-256 of its content, if the hub stores it as a large file.
        git_sha1: The SHA-1 of its git blob, for all other files.
    """

    size_bytes: int
    sha256: str | None
    git_sha1: str | None


class HubRepository:
    """A repository at one commit.

    Args:
        repository: The name, `owner/name`.
        revision: The commit.
        scratch: An empty folder, into which configurations are downloaded to read them.
    """

    def __init__(self, repository: str, revision: str, scratch: Path) -> None:
        self._repository = repository
        self._revision = revision
        self._scratch = scratch

    @cached_property
    def files(self) -> dict[str, RemoteFile]:
        """All files, by name.

        Raises:
            ModelUnavailable: The repository or the commit does not exist, or the token gives no access to it.
            ServiceUnreachable: The hub cannot be reached.
        """
        found = {}
        for sibling in self._info.siblings or ():
            large = sibling.lfs
            sha256, git_sha1 = (large.sha256, None) if large else (None, sibling.blob_id)
            found[sibling.rfilename] = RemoteFile(sibling.size or 0, sha256, git_sha1)
        return found

    @property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        return frozenset(self.files)

    @property
    def licence(self) -> str | None:
        """The licence that the model card names."""
        card = self._info.card_data
        return getattr(card, "license", None) if card else None

    @property
    def is_gated(self) -> bool:
        """Whether the licence must be accepted before a download."""
        return bool(self._info.gated)

    @property
    def page(self) -> str:
        """The address of its page."""
        return _page(self._repository)

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file."""
        file = self._get(name, self._scratch, lambda num_bytes: None)
        return parsed(name, lambda: file.read_text("utf-8"))

    def fetch(self, name: str, folder: Path, report: ByteProgress) -> str:
        """Download a file into `folder`, or resume its download, and check its content.

        Args:
            name: The name of the file in the repository.
            folder: The folder to write to.
            report: Called with the number of bytes of each part that arrives.

        Returns:
            The SHA-256 of the file.

        Raises:
            HashMismatch: The file is not the one that the hub describes. It is deleted.
            ModelUnavailable: The download is not allowed.
            ServiceUnreachable: The hub cannot be reached.
        """
        # The part that an earlier download has left may be damaged: then the whole file is downloaded once
        # more.
        for _ in range(2):
            self._get(name, folder, report)
            sha256 = Fingerprints(folder).of([name])[name]
            if _is_intact(folder / name, sha256, self.files[name]):
                return sha256
            (folder / name).unlink()
        raise HashMismatch(
            said(
                "{name} of {repository} arrived damaged and was deleted.",
                name=name,
                repository=self._repository,
            ),
            field="source",
            hint="Run the command again: complete files are kept.",
        )

    def _get(self, name: str, folder: Path, report: ByteProgress) -> Path:
        with _hub_errors(self._repository, self._revision):
            return Path(
                hf_hub_download(
                    self._repository,
                    name,
                    revision=self._revision,
                    local_dir=folder,
                    tqdm_class=_silent_progress_bar(report),
                )
            )

    @cached_property
    def _info(self) -> Any:
        with _hub_errors(self._repository, self._revision):
            return HfApi().model_info(self._repository, revision=self._revision, files_metadata=True)


def _page(repository: str) -> str:
    return f"https://huggingface.co/{repository}"


def _is_intact(file: Path, sha256: str, remote: RemoteFile) -> bool:
    if remote.sha256 is not None:
        return sha256 == remote.sha256
    content = file.read_bytes()
    blob = b"blob %d\0" % len(content) + content
    # The id of the file in git, not used for security.
    return remote.git_sha1 in (None, hashlib.sha1(blob, usedforsecurity=False).hexdigest())


def _silent_progress_bar(report: ByteProgress) -> type[tqdm]:
    """Return a progress bar class that shows nothing and reports the number of new bytes."""

    class SilentBar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"disable": True})  # type: ignore[no-untyped-call]
            report(int(options.get("initial") or 0))

        def update(self, n: float | None = 1) -> None:
            report(int(n or 0))

    return SilentBar


@contextmanager
def _hub_errors(repository: str, revision: str) -> Iterator[None]:
    """Turn errors of the hub into errors of brushwork with a hint."""
    page = _page(repository)
    try:
        yield
    except GatedRepoError as error:
        raise ModelUnavailable(
            said(
                "{repository} is available only to users who have accepted its licence.",
                repository=repository,
            ),
            field="source",
            hint=said(
                "Accept the licence at {page}, create a token at "
                "https://huggingface.co/settings/tokens, and set HF_TOKEN to it.",
                page=page,
            ),
        ) from error
    except RevisionNotFoundError as error:
        raise ModelUnavailable(
            said("{repository} has no commit {revision}.", repository=repository, revision=revision),
            field="source.revision",
            hint=said("See {page}/commits.", page=page),
        ) from error
    except RemoteEntryNotFoundError as error:
        raise ModelFileMissing(
            said("A file is missing in {repository}: {error}", repository=repository, error=private(error)),
            field="source",
            hint=said("Compare the catalogue entry with the files at {page}.", page=page),
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(
            said("The hub has no repository {repository}, or it is private.", repository=repository),
            field="source.repository",
            hint="Correct the name. For a private repository, set HF_TOKEN.",
        ) from error
    except OfflineModeIsEnabled as error:
        raise ServiceUnreachable(
            "HF_HUB_OFFLINE is set, so nothing can be downloaded.", hint="Unset HF_HUB_OFFLINE."
        ) from error
    except BrushworkError:
        raise
    except (HfHubHTTPError, HTTP_ERROR, OSError) as error:
        raise ServiceUnreachable(
            said(
                "The hub cannot be reached: {type}: {error}", type=type(error).__name__, error=private(error)
            ),
            hint="Run the command again: it continues where it stopped. To use a mirror, set HF_ENDPOINT.",
        ) from error
