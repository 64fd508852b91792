"""What callers submit, checked as a whole before anything of it is stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from brushwork_schemas.admission import Admitted, admit
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import BrushworkError, InvalidRequest, JobNotEnded
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.registry import file_fields
from brushwork_schemas.options import JobOptions, digest, taken_options
from pydantic import BaseModel

from brushwork.inputs.dataset_input import GivenArchive
from brushwork.inputs.file_inputs import FileInputs, Read

# Stands for a file while all else is checked.
NO_FILE_YET = "0" * 64


@dataclass
class JobDraft:
    """A request on its way to a job: its parameters are checked, its files are read and not stored yet.

    Args:
        said: What the caller said, without files.
        given: Its files as they were given, by field.
        read: Its files as they were read, by field.
    """

    admitted: Admitted
    options: JobOptions
    said: Mapping[str, Any]
    given: Mapping[str, object]
    read: dict[str, Read] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparedJob:
    """A draft whose files are stored: all that a job is made of.

    Args:
        inputs: The files, the main picture first.
        sha256: Of what the caller said, where a key asks for it: a seed that was drawn differs each time.
    """

    admitted: Admitted
    options: JobOptions
    inputs: tuple[Artifact, ...]
    sha256: str | None


class SubmissionIntake:
    """Turns requests into what jobs are made of.

    Args:
        catalogue: The models that can be asked for.
        files: Reads and stores pictures and archives.
        expect: Raises `UnknownModel` where a model is none that this tenant may ask for.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileInputs,
        expect: Callable[[Model, str], None] = lambda model, tenant: None,
    ) -> None:
        self._catalogue = catalogue
        self._expect = expect
        self._files = files

    def complete(self, requests: Sequence[Mapping[str, Any]]) -> list[PreparedJob]:
        """All of them, with their files stored; where one is wrong nothing is, so no file stays behind.

        Raises:
            RequestError: One is wrong; the message starts with its index where there are several.
        """
        drafts = self._checked_all(requests)
        # One file of many requests is read once, and held once.
        read: dict[object, Read] = {}
        try:
            for index, draft in enumerate(drafts):
                with placed(index, len(requests)):
                    self._read_files(draft, read)
            kept: dict[int, Artifact] = {}
            return [self._completed(draft, kept) for draft in drafts]
        finally:
            for each in read.values():
                if isinstance(each, GivenArchive):
                    each.close()

    def _checked_all(self, requests: Sequence[Mapping[str, Any]]) -> list[JobDraft]:
        drafts = []
        for index, request in enumerate(requests):
            with placed(index, len(requests)):
                drafts.append(self._checked(request))
        return drafts

    def _checked(self, request: Mapping[str, Any]) -> JobDraft:
        if not isinstance(request, Mapping):
            raise InvalidRequest(f"A request is a mapping with its kind, no {type(request).__name__}.")
        parameters = dict(request)
        kind = parameters.pop("kind", None)
        options = taken_options(parameters)
        said = {name: value for name, value in parameters.items() if name not in file_fields()}
        given = {name: parameters[name] for name in file_fields() if parameters.get(name) is not None}
        placeholders = dict.fromkeys(given, NO_FILE_YET)
        admitted = admit(kind, parameters | placeholders, self._catalogue)
        self._expect(admitted.model, options.tenant)
        return JobDraft(admitted, options, said, given)

    def _read_files(self, draft: JobDraft, read: dict[object, Read]) -> None:
        for name in draft.admitted.kind.files:
            if (given := draft.given.get(name)) is None:
                continue
            # The same bytes may be a picture here and an archive there.
            key = (file_fields()[name], given if isinstance(given, str | bytes) else id(given))
            if key not in read:
                read[key] = self._files.read(given, name)
            draft.read[name] = read[key]

    def _completed(self, draft: JobDraft, kept: dict[int, Artifact]) -> PreparedJob:
        files = {}
        for name, read in draft.read.items():
            if id(read) not in kept:
                kept[id(read)] = self._files.keep(read)
            files[name] = kept[id(read)]
        named = {name: artifact.sha256 for name, artifact in files.items()}
        admitted = replace(draft.admitted, request=draft.admitted.request.model_copy(update=named))
        has_key = draft.options.idempotency_key is not None
        sha256 = _digest(draft, files) if has_key else None
        return PreparedJob(admitted, draft.options, tuple(files.values()), sha256)


def _digest(draft: JobDraft, files: Mapping[str, Artifact]) -> str:
    # The main picture was for long the only file, and has no name here: older keys stay what they were.
    others = {name: artifact.sha256 for name, artifact in files.items() if name != "image"}
    main = [artifact for name, artifact in files.items() if name == "image"]
    return digest(draft.admitted.kind.name, {**draft.said, **others}, main)


def repeated(old: Job, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The request that a retry of `old` submits.

    Raises:
        JobNotEnded: It can't be retried yet.
    """
    if not old.is_finished:
        raise JobNotEnded(
            f"Job {old.id} is {old.state}: only one that has ended can be run again.",
            hint="Wait for its end, or cancel it.",
        )
    said = old.request.model_dump() if isinstance(old.request, BaseModel) else dict(old.request)
    kept = {"priority": old.priority, "tenant": old.tenant, "group": old.group}
    return {**said, **kept, **changes, "kind": old.kind}


@contextmanager
def placed(index: int, count: int) -> Iterator[None]:
    """Say in an error which of several requests it is about."""
    try:
        yield
    except BrushworkError as error:
        error.index = index
        if count > 1:
            error.message = f"requests[{index}]: {error.message}"
        raise
