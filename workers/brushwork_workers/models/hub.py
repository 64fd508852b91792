"""A repository on the Hugging Face hub, at one commit: its files, and how they are fetched and checked."""

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

# Of httpx or of its successor, as the hub's own package has chosen.
HTTP_ERROR: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
ByteProgress = Callable[[int], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub describes it.

    Args:
        size_bytes: Its length.
        sha256: Of its bytes, where the hub keeps it as a large file.
        git_sha1: Of the git blob, for all others.
    """

    size_bytes: int
    sha256: str | None
    git_sha1: str | None


class HubRepository:
    """A commit of a repository. Its small files are read through `scratch`.

    Args:
        repository: `owner/name`.
        revision: The commit.
        scratch: An empty folder for configurations that have to be read.
    """

    def __init__(self, repository: str, revision: str, scratch: Path) -> None:
        self._repository = repository
        self._revision = revision
        self._scratch = scratch

    @cached_property
    def files(self) -> dict[str, RemoteFile]:
        """Every file, by name.

        Raises:
            ModelUnavailable: There is no such repository or commit, or none for this token.
            ServiceUnreachable: The hub does not answer.
        """
        found = {}
        for sibling in self._info.siblings or ():
            large = sibling.lfs
            sha256, git_sha1 = (large.sha256, None) if large else (None, sibling.blob_id)
            found[sibling.rfilename] = RemoteFile(sibling.size or 0, sha256, git_sha1)
        return found

    @property
    def names(self) -> frozenset[str]:
        """Every file."""
        return frozenset(self.files)

    @property
    def licence(self) -> str | None:
        """As its card says."""
        card = self._info.card_data
        return getattr(card, "license", None) if card else None

    @property
    def is_gated(self) -> bool:
        """Whether its licence has to be accepted first."""
        return bool(self._info.gated)

    def read(self, name: str) -> dict[str, Any]:
        """The content of a JSON file."""
        file = self._get(name, self._scratch, lambda num_bytes: None)
        return parsed(name, lambda: file.read_text("utf-8"))

    def fetch(self, name: str, folder: Path, report: ByteProgress) -> str:
        """Get a file into `folder`, from where it was broken off; its SHA-256, which is checked.

        Raises:
            HashMismatch: It is not what the hub says; it is deleted.
            ModelUnavailable: It may not be fetched.
            ServiceUnreachable: The hub does not answer.
        """
        # What lay there before may be what is damaged: then it is fetched anew.
        for _ in ("there", "anew"):
            self._get(name, folder, report)
            sha256 = Fingerprints(folder).of([name])[name]
            if _is_intact(folder / name, sha256, self.files[name]):
                return sha256
            (folder / name).unlink()
        raise HashMismatch(
            f"{name} of {self._repository} arrived damaged, and was deleted.",
            field="source",
            hint="Pull again: what arrived whole is kept.",
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


def _is_intact(file: Path, sha256: str, remote: RemoteFile) -> bool:
    if remote.sha256 is not None:
        return sha256 == remote.sha256
    content = file.read_bytes()
    blob = b"blob %d\0" % len(content) + content
    # Git's own name for a file; not for secrecy.
    return remote.git_sha1 in (None, hashlib.sha1(blob, usedforsecurity=False).hexdigest())


def _silent_progress_bar(report: ByteProgress) -> type[tqdm]:
    """A progress bar that shows nothing and tells how many bytes more there are."""

    class SilentBar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"disable": True})  # type: ignore[no-untyped-call]
            report(int(options.get("initial") or 0))

        def update(self, n: float | None = 1) -> None:
            report(int(n or 0))

    return SilentBar


@contextmanager
def _hub_errors(repository: str, revision: str) -> Iterator[None]:
    """What the hub says, in words that tell what to do."""
    page = f"https://huggingface.co/{repository}"
    try:
        yield
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"{repository} is given only to those who have accepted its licence.",
            field="source",
            hint=f"Accept it at {page}, make a token at https://huggingface.co/settings/tokens, "
            "and set HF_TOKEN to it.",
        ) from error
    except RevisionNotFoundError as error:
        raise ModelUnavailable(
            f"{repository} has no commit {revision}.", field="source.revision", hint=f"See {page}/commits."
        ) from error
    except RemoteEntryNotFoundError as error:
        raise ModelFileMissing(f"{repository} lacks a file: {error}", field="source") from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(
            f"The hub has no repository {repository}, or shows it to its own people only.",
            field="source.repository",
            hint="Correct the name; for a private one set HF_TOKEN.",
        ) from error
    except OfflineModeIsEnabled as error:
        raise ServiceUnreachable("HF_HUB_OFFLINE is set.", hint="Unset it to pull.") from error
    except BrushworkError:
        raise
    except (HfHubHTTPError, HTTP_ERROR, OSError) as error:
        raise ServiceUnreachable(
            f"The hub does not answer as it should: {type(error).__name__}: {error}",
            hint="Pull again: what arrived is kept, and the rest follows. HF_ENDPOINT names a mirror.",
        ) from error
