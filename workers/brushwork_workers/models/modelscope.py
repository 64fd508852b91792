"""A repository on ModelScope at one commit: its files, and their verified download, over its HTTP API."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
from brushwork_core.settings.environment import modelscope_endpoint, modelscope_token
from brushwork_schemas.errors import (
    HashMismatch,
    ModelFileMissing,
    ModelUnavailable,
    ServiceUnreachable,
)
from brushwork_schemas.wording.phrase import private, said

from brushwork_workers.models.download import download
from brushwork_workers.models.fingerprint import Fingerprints
from brushwork_workers.models.hub import RemoteFile
from brushwork_workers.models.listing import parsed

TIMEOUT_S = 30.0
# `Code` of an answer, whose HTTP status may be 200: no repository, and no files at this commit.
_NOT_FOUND = (404, 10010205001, 10990101004)
# Private, or a licence that was not accepted. All of these may have the status 404.
_DENIED = (401, 403, 10010200001)
# The API lists no more files, without a word.
_MOST_FILES = 3000


class ModelScopeRepository:
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
        self._api = f"{modelscope_endpoint()}/api/v1/models/{repository}"

    @cached_property
    def files(self) -> dict[str, RemoteFile]:
        """All files, by name.

        Raises:
            ModelUnavailable: The repository or the commit does not exist, or is not accessible.
            ServiceUnreachable: ModelScope cannot be reached.
        """
        data = self._asked("/repo/files", Revision=self._revision, Recursive="true")
        found: dict[str, RemoteFile] = {}
        entries = data.get("Files") or ()
        if len(entries) >= _MOST_FILES:
            raise ModelUnavailable(
                said(
                    "ModelScope lists only the first {number} files of {repository}.",
                    number=_MOST_FILES,
                    repository=self._repository,
                ),
                field="source.modelscope",
                hint="Download the model with ModelScope's own tools, and add it with --folder.",
            )
        for entry in entries:
            if entry.get("Type") != "tree" and _is_inside(name := str(entry.get("Path") or "")):
                sha256 = str(entry.get("Sha256") or "").lower() or None
                found[name] = RemoteFile(int(entry.get("Size") or 0), sha256, None)
        if not found:
            raise self._no_repository()
        return found

    @property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        return frozenset(self.files)

    @cached_property
    def licence(self) -> str | None:
        """The licence that the page of the model names."""
        return self._asked("").get("License") or None

    @property
    def is_gated(self) -> bool:
        """Whether the licence must be accepted before a download. The API does not tell."""
        return False

    @property
    def page(self) -> str:
        """The address of its page."""
        return f"{modelscope_endpoint()}/models/{self._repository}"

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file."""
        if name not in self.files:
            raise self._no_file(name)
        self.fetch(name, self._scratch, lambda num_bytes: None)
        return parsed(name, lambda: (self._scratch / name).read_text("utf-8"))

    def fetch(self, name: str, folder: Path, report: Callable[[int], None]) -> str:
        """Download a file into `folder`, or resume its download, and check its content.

        Args:
            name: The name of the file in the repository.
            folder: The folder to write to.
            report: Called with the number of bytes of each part that arrives.

        Returns:
            The SHA-256 of the file.

        Raises:
            HashMismatch: The file is not the one that ModelScope describes. It is deleted.
            ModelUnavailable: ModelScope states no SHA-256 of the file, or does not give it.
            ServiceUnreachable: ModelScope cannot be reached.
        """
        file, expected = folder / name, self.files[name].sha256
        if expected is None:
            raise ModelUnavailable(
                said(
                    "ModelScope states no SHA-256 of {name} of {repository}.",
                    name=name,
                    repository=self._repository,
                ),
                field="source",
                hint="Pull the model from Hugging Face, or download it yourself and add it with --folder.",
            )
        if file.is_file() and self._sha256(folder, name) == expected:
            return expected
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.part")
        # The part that an earlier download has left may be damaged: then the whole file comes once more.
        for _ in range(2):
            with _api_errors(self._repository):
                download(
                    f"{self._api}/repo",
                    part,
                    report,
                    parameters={"Revision": self._revision, "FilePath": name},
                    headers=_headers(),
                    timeout_s=TIMEOUT_S,
                )
            part.replace(file)
            if self._sha256(folder, name) == expected:
                return expected
            file.unlink()
        raise HashMismatch(
            said(
                "{name} of {repository} arrived damaged and was deleted.",
                name=name,
                repository=self._repository,
            ),
            field="source",
            hint="Run the command again: complete files are kept.",
        )

    def _sha256(self, folder: Path, name: str) -> str:
        return Fingerprints(folder).of([name])[name]

    def _asked(self, path: str, **parameters: str) -> dict[str, Any]:
        """Return the field `Data` of an answer of the API."""
        with _api_errors(self._repository):
            answer = httpx.get(
                f"{self._api}{path}",
                params=parameters,
                headers=_headers(),
                timeout=TIMEOUT_S,
                follow_redirects=True,
            )
            content = _content(answer)
            code = content.get("Code", answer.status_code)
            if code in _DENIED or answer.status_code in _DENIED:
                raise _denied(self._repository)
            if code in _NOT_FOUND or answer.status_code in _NOT_FOUND or content.get("Data") is None:
                raise self._no_repository()
            answer.raise_for_status()
        data = content["Data"]
        return data if isinstance(data, dict) else {}

    def _no_repository(self) -> ModelUnavailable:
        return ModelUnavailable(
            said(
                "ModelScope has no repository {repository} with the commit {revision}, or it is private.",
                repository=self._repository,
                revision=self._revision,
            ),
            field="source.modelscope",
            hint=said(
                "See {page}/files. The commits: git ls-remote {git}. For a private repository, set "
                "MODELSCOPE_API_TOKEN.",
                page=self.page,
                git=f"{modelscope_endpoint()}/{self._repository}.git",
            ),
        )

    def _no_file(self, name: str) -> ModelFileMissing:
        return ModelFileMissing(
            said("{name} is missing.", name=name),
            field="source",
            hint=said("See {page}/files.", page=self.page),
        )


def _content(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _headers() -> dict[str, str]:
    token = modelscope_token()
    return {} if token is None else {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"}


def _is_inside(name: str) -> bool:
    """Return whether a name stays inside of the folder that it is written to."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _denied(repository: str) -> ModelUnavailable:
    return ModelUnavailable(
        said("ModelScope does not give access to {repository}.", repository=repository),
        field="source.modelscope",
        hint="Create a token at https://www.modelscope.cn/my/myaccesstoken, and set MODELSCOPE_API_TOKEN to "
        "it.",
    )


@contextmanager
def _api_errors(repository: str) -> Iterator[None]:
    """Turn errors of HTTP into errors of brushwork with a hint."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.status_code in (*_DENIED, 404):
            raise _denied(repository) from error
        raise _unreachable(error) from error
    except (httpx.HTTPError, OSError) as error:
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> ServiceUnreachable:
    return ServiceUnreachable(
        said(
            "ModelScope cannot be reached: {type}: {error}", type=type(error).__name__, error=private(error)
        ),
        hint="Run the command again: it continues where it stopped. To use another address, set "
        "MODELSCOPE_ENDPOINT.",
    )
