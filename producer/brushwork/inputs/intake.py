"""Validate submitted requests, then read and store their files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from brushwork_core.media.decoders.current import on_behalf_of
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import Decided, PolicySet, request_of
from brushwork_schemas.admission import Admitted, admit
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import InvalidRequest, JobNotEnded
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.explanations.calls import check_num_calls
from brushwork_schemas.kinds.file_places import NO_FILE_YET, pattern_of, values_at, with_values
from brushwork_schemas.kinds.registry import all_kinds, file_fields, file_patterns
from brushwork_schemas.options import JobOptions, digest, taken_options
from brushwork_schemas.wording.phrase import said
from pydantic import BaseModel

from brushwork.inputs.archive_files import GivenArchive
from brushwork.inputs.batch_errors import located
from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.given_files import GivenFiles


@dataclass(frozen=True)
class JobDraft:
    """A validated request. Its files are not read yet; nothing is stored.

    Args:
        admitted: Kind, model and complete request. File fields of the request hold a placeholder.
        options: Priority, tenant, idempotency key and the other job options.
        parameters: The parameters as the caller gave them, without options and files. A file inside of a list
            is a placeholder.
        files: The files as the caller gave them, by place.
    """

    admitted: Admitted
    options: JobOptions
    parameters: Mapping[str, Any]
    files: Mapping[str, object]


@dataclass(frozen=True)
class PreparedJob:
    """A validated request whose files are stored: everything that a new job needs.

    Args:
        admitted: As in the draft, but file fields of the request hold the names of the stored files.
        options: As in the draft.
        inputs: The stored files, the main picture first.
        sha256: Digest of what the caller gave; requests of one idempotency key are compared by it. None
            without a key.
    """

    admitted: Admitted
    options: JobOptions
    inputs: tuple[Artifact, ...]
    sha256: str | None


class SubmissionIntake:
    """Turns requests into drafts, and drafts into prepared jobs.

    Args:
        catalogue: The models that requests may name.
        files: Reads and stores pictures and archives.
        expect: Called with the model and the tenant of each request. It raises `UnknownModel` if this tenant
            may not use the model.
        policies: Refuse what the operator does not allow. Only a refusal counts here: a worker asks them
            again, and does what else they decide.
        decision_log: Records refusals.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        files: FileInputs,
        expect: Callable[[Model, str], None] = lambda model, tenant: None,
        *,
        policies: PolicySet | None = None,
        decision_log: DecisionLog | None = None,
    ) -> None:
        self._policies = policies or PolicySet()
        self._decision_log = decision_log or DecisionLog()
        self._catalogue = catalogue
        self._expect = expect
        self._files = files

    def draft(self, requests: Sequence[Mapping[str, Any]]) -> list[JobDraft]:
        """Validate requests. No file is read and nothing is stored.

        Args:
            requests: Mappings, each with its `kind`, its parameters and its options.

        Raises:
            RequestError: A request is wrong. If there are several, the message starts with its index.
            PolicyRefused: A policy refuses it.
            PolicyFailed: A policy could not decide, and the operator chose to refuse then.
        """
        drafts, wrong, refused = [], Refusals(), list[Decided]()
        try:
            for index, request in enumerate(requests):
                with wrong.noted(), located(index, len(requests)):
                    drafts.append(draft := self._drafted(request))
                    self._ask_policies(draft, refused)
        finally:
            self._decision_log.add(refused)
        wrong.raise_any()
        return drafts

    def prepare(self, drafts: Sequence[JobDraft]) -> list[PreparedJob]:
        """Read the files of all drafts, and store them.

        If one file is wrong, none is stored; but what was read is stored as soon as it has more than
        `MAX_HELD_BYTES`, before the next file is read. Then `brushwork prune` removes what no job uses.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused: A file can't be read or breaks a limit. If there are
                several drafts, the message starts with the index.
            InvalidRequest: An explanation takes too many calls for the size of its picture.
            ServiceUnreachable: The artifact store does not answer.
        """
        # A file that several requests share is read once and held once.
        with GivenFiles(self._files) as given:
            names, wrong = [], Refusals()
            for index, draft in enumerate(drafts):
                with wrong.noted(), located(index, len(drafts)), on_behalf_of(draft.options.tenant):
                    names.append(self._read_files(draft, given))
                    _check_explanation(draft, names[-1], given)
            wrong.raise_any()
            return [self._prepared(draft, files, given) for draft, files in zip(drafts, names, strict=True)]

    def _drafted(self, request: Mapping[str, Any]) -> JobDraft:
        if not isinstance(request, Mapping):
            raise InvalidRequest(
                said("A request must be a mapping with a `kind`, not a {type}.", type=type(request).__name__)
            )
        parameters, wrong = dict(request), Refusals()
        kind = parameters.pop("kind", None)
        options = None
        with wrong.noted():
            options = taken_options(parameters)
        files = values_at(parameters, file_patterns())
        parameters = with_values(parameters, dict.fromkeys(files, NO_FILE_YET))
        without_files = {name: value for name, value in parameters.items() if name not in file_fields()}
        admitted = None
        with wrong.noted():
            admitted = admit(kind, parameters, self._catalogue)
        if options is None or admitted is None:
            self._note_wrong_files(kind, files, wrong)
            raise wrong.gathered()
        self._expect(admitted.model, options.tenant)
        return JobDraft(admitted, options, without_files, files)

    def _ask_policies(self, draft: JobDraft, refused: list[Decided]) -> None:
        if not self._policies:
            return
        request = request_of(draft.admitted, draft.options.tenant)
        for each in self._policies.on_request(request):
            if each.error is not None:
                refused.append(each)
                raise each.error

    def _note_wrong_files(self, kind_name: Any, files: Mapping[str, object], wrong: Refusals) -> None:
        """Note which files of a request that is refused anyway are wrong too. No address is fetched."""
        kind = all_kinds().get(kind_name) if isinstance(kind_name, str) else None
        for place, given in files.items():
            is_address = isinstance(given, str) and given[:8].lower().startswith(("http://", "https://"))
            # An open file could be read only once, and the page keeps it for the next try.
            is_open = hasattr(given, "read")
            is_own = kind is not None and pattern_of(place) in kind.file_patterns
            if is_own and not is_address and not is_open:
                with wrong.noted():
                    read = self._files.read(given, place)
                    if isinstance(read, GivenArchive):
                        read.close()

    def _read_files(self, draft: JobDraft, files: GivenFiles) -> dict[str, int]:
        read, wrong = {}, Refusals()
        order = list(draft.admitted.kind.file_patterns)
        own = [place for place in draft.files if pattern_of(place) in order]
        for place in sorted(own, key=lambda place: order.index(pattern_of(place))):
            with wrong.noted():
                read[place] = files.read(draft.files[place], place, first_frame=draft.options.first_frame)
        wrong.raise_any()
        return read

    def _prepared(self, draft: JobDraft, files: Mapping[str, int], given: GivenFiles) -> PreparedJob:
        artifacts = {place: given.kept(number) for place, number in files.items()}
        names = {place: artifact.sha256 for place, artifact in artifacts.items()}
        admitted = replace(draft.admitted, request=with_values(draft.admitted.request, names))
        has_key = draft.options.idempotency_key is not None
        sha256 = _digest(draft, artifacts) if has_key else None
        return PreparedJob(admitted, draft.options, tuple(artifacts.values()), sha256)


def _check_explanation(draft: JobDraft, files: Mapping[str, int], given: GivenFiles) -> None:
    main = draft.admitted.kind.main_input
    number = next((number for place, number in files.items() if place in (main, f"{main}.0")), None)
    check_num_calls(draft.admitted.request, *((0, 0) if number is None else given.size(number)))


def _digest(draft: JobDraft, files: Mapping[str, Artifact]) -> str:
    # The main picture was the only file at first and has no name here: digests of older jobs stay valid.
    others = {name: artifact.sha256 for name, artifact in files.items() if name != "image"}
    main = [artifact for name, artifact in files.items() if name == "image"]
    return digest(draft.admitted.kind.name, {**draft.parameters, **others}, main)


def repeated(old: Job, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that a retry of `old` submits.

    Args:
        old: The job to run again.
        changes: Parameters and options that replace those of `old`.

    Raises:
        JobNotEnded: `old` has not ended yet.
    """
    if not old.is_finished:
        raise JobNotEnded(
            said(
                "Job {id} is {state}. Only a job that has ended can be retried.",
                id=old.id,
                state=said(old.state),
            ),
            hint="Wait until it has ended, or cancel it first.",
        )
    # `model_dump` leaves out an acceleration of 0, for which a default of the model would count.
    dumped = old.request.model_dump() if isinstance(old.request, BaseModel) else {}
    parameters = {**dict(old.request), **dumped}
    options = {"priority": old.priority, "tenant": old.tenant, "group": old.group}
    return {**parameters, **options, **changes, "kind": old.kind}
