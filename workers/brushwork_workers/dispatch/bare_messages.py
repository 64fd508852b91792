"""Bare Celery messages, sent by a program without brushwork's client: validated and written to the ledger.

Such a program calls `send_task("brushwork.text-to-image", kwargs={"prompt": "..."}, queue="text-to-image")`.
The task id becomes the job id, so a message that is delivered twice makes one job.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import CeleryMessage, Ledger, NewJob
from brushwork_core.media.archive_type import stored_archive
from brushwork_core.media.decoders.cleaning import clean, store_cleaned
from brushwork_core.media.decoders.decoder import Decoder, in_process
from brushwork_core.media.pictures import Background, Reading
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import PolicySet, request_of
from brushwork_core.queue.task_ids import job_id_of, shown
from brushwork_schemas.admission import ANY_SHA256, Admitted, admit
from brushwork_schemas.artifact import Artifact, data_url_content, describe, is_data_url, is_sha256
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import (
    ArtifactMissing,
    InvalidDataset,
    InvalidImage,
    InvalidRequest,
    PluginFailed,
    PolicyFailed,
    RequestError,
    ServiceUnreachable,
)
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.job import JobError
from brushwork_schemas.kinds.explanations.calls import check_num_calls
from brushwork_schemas.kinds.file_places import values_at, with_values
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_patterns, mask_fields, media_type_at
from brushwork_schemas.options import JobOptions, checked_url, taken_options
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from PIL import UnidentifiedImageError

from brushwork_workers.dispatch.bare_message import MAX_KEPT_CHARACTERS, BareMessage, as_json

LOGGER = logging.getLogger(__name__)


class BareMessages:
    """Turns bare messages into jobs.

    Args:
        ledger: Takes the jobs.
        store: Takes the pictures that messages contain.
        catalogue: The models that a message may name.
        max_attempts: Most attempts of such a job.
        expect: Raises `UnknownModel` if a tenant may not use a model.
        decoder: Decodes the pictures; None for this process.
        policies: Refuse what the operator does not allow.
        decision_log: Records refusals.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ArtifactStore,
        catalogue: Catalogue,
        *,
        max_attempts: int,
        expect: Callable[[Model, str], None] = lambda model, tenant: None,
        decoder: Decoder | None = None,
        policies: PolicySet | None = None,
        decision_log: DecisionLog | None = None,
    ) -> None:
        self._policies = policies or PolicySet()
        self._decision_log = decision_log or DecisionLog()
        self._decoder = decoder or in_process()
        self._expect = expect
        self._ledger = ledger
        self._store = store
        self._catalogue = catalogue
        self._max_attempts = max_attempts

    def accept(self, task_id: str, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Write the job of a message that has no callbacks to the ledger; see `accept_message`.

        Args:
            task_id: Celery's task id.
            kind: The kind whose task was called.
            args: Positional arguments; there must be none.
            kwargs: The fields of the kind's request, and job options. A picture is the SHA-256 of an artifact
                or a `data:image/...;base64,` URL; a data set is the SHA-256 of an artifact.

        Returns:
            Id of the job: the task id, or derived from it if the task id is not a valid job id.
        """
        return self.accept_message(BareMessage(task_id, kind, args, kwargs))

    def accept_message(self, message: BareMessage) -> str:
        """Write the job of a message to the ledger. An invalid message becomes a failed job with the reason.

        If a function of the kind has a bug, the job fails with the code `plugin_failed`.

        Returns:
            Id of the job: the task id, or derived from it if the task id is not a valid job id.

        Raises:
            ServiceUnreachable: The ledger or the store does not answer. The message can be accepted again.
        """
        job_id = job_id_of(message.task_id)
        if job_id != message.task_id:
            LOGGER.info("Task %s is job %s", shown(repr(message.task_id)), job_id, extra={"job": job_id})
        try:
            return self._submitted(job_id, message)
        except ServiceUnreachable:
            raise
        except (RequestError, PluginFailed, PolicyFailed) as error:
            refusal = JobError.of(error)
        # Without a job, the sender would wait for ever: Celery drops a message whose task raised.
        except Exception as error:
            refusal = _bug(message.kind, error)
        # Without the message of the error, which may be private.
        LOGGER.info("Job %s was refused: %s", job_id, refusal.code, extra={"job": job_id})
        self._refuse(job_id, message, refusal)
        return job_id

    def _submitted(self, job_id: str, message: BareMessage) -> str:
        if message.problem is not None:
            raise message.problem
        job = self._admitted(job_id, message.kind, message.args, message.kwargs)
        job = replace(job, celery=_celery(job_id, message), **_times(job, message))
        if message.is_revoked or (job.deadline_s is not None and job.deadline_s <= 0):
            state = JobState.CANCELED if message.is_revoked else JobState.EXPIRED
            self._ledger.submit_ended(job, state)
            return job_id
        self._ledger.submit([job])
        return job_id

    def _refuse(self, job_id: str, message: BareMessage, refusal: JobError) -> None:
        try:
            self._ledger.refuse(_refused(job_id, message), refusal)
        except ServiceUnreachable:
            raise
        # Whatever it is that the database does not take: the job must exist, if without it.
        except Exception:
            LOGGER.exception("Job %s: the content of its message cannot be stored", job_id)
            celery = CeleryMessage(job_id, message.relations)
            bare = NewJob(job_id, message.kind, "unknown", "refused", request={}, celery=celery)
            self._ledger.refuse(bare, refusal)

    def _admitted(self, job_id: str, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NewJob:
        if args:
            raise InvalidRequest(
                "args: the message has positional arguments.",
                field="args",
                hint="Send all parameters by name, as kwargs.",
            )
        parameters, wrong = dict(kwargs), Refusals()
        options = None
        with wrong.noted():
            options = _options(parameters)
        # Null means "left out" for every file field but the main picture.
        given = {
            **{name: parameters[name] for name in ("image",) if name in parameters},
            **values_at(parameters, file_patterns()),
        }
        first_frame = options is not None and options.first_frame
        inputs: dict[str, Artifact] = {}
        for place, file in given.items():
            with wrong.noted():
                inputs[place] = self._file(file, place, first_frame)
        named = {place: inputs[place].sha256 if place in inputs else ANY_SHA256 for place in given}
        with wrong.noted():
            admitted = admit(kind, with_values(parameters, named), self._catalogue)
        wrong.raise_any()
        assert options is not None  # noqa: S101 - for the type checker: it is None only if an error was noted
        name = admitted.kind.main_picture(admitted.request)
        sizes = [(each.width, each.height) for each in inputs.values() if each.sha256 == name]
        check_num_calls(admitted.request, *(sizes[0] if sizes else (0, 0)))
        self._expect(admitted.model, options.tenant)
        self._ask_policies(job_id, admitted, options.tenant)
        return NewJob.of(
            job_id, admitted, options, inputs=tuple(inputs.values()), max_attempts=self._max_attempts
        )

    def _ask_policies(self, job_id: str, admitted: Admitted, tenant: str) -> None:
        if not self._policies:
            return
        for each in self._policies.on_request(request_of(admitted, tenant)):
            if each.error is not None:
                self._decision_log.add([each], job_id)
                raise each.error

    def _file(self, given: object, field: str, first_frame: bool = False) -> Artifact:
        if isinstance(given, str) and is_sha256(given):
            try:
                return self._known(given, field)
            except ArtifactMissing as error:
                kind = InvalidDataset if media_type_at(field) == ARCHIVE else InvalidImage
                raise kind(
                    said("{field}: {message}", field=field, message=error.message),
                    field=field,
                    hint=error.hint,
                ) from error
        if media_type_at(field) == ARCHIVE:
            raise InvalidDataset(
                said("{field}: not the SHA-256 of an artifact (64 hexadecimal digits).", field=field),
                field=field,
                hint="Upload the archive with brushwork upload or POST /v1/files, and send its SHA-256.",
            )
        background: Background = "black" if field in mask_fields() else "white"
        data = clean(self._decoder, _embedded(given, field), Reading(field, background, first_frame))
        return store_cleaned(self._store, data)

    def _known(self, sha256: str, field: str) -> Artifact:
        if media_type_at(field) != ARCHIVE:
            try:
                return describe(self._store.get(sha256), sha256)
            except UnidentifiedImageError:
                raise InvalidImage(
                    said("{field}: artifact {sha256} is not a picture.", field=field, sha256=sha256),
                    field=field,
                ) from None
        if (archive := stored_archive(self._store, sha256)) is None:
            raise InvalidDataset(
                said("{field}: artifact {sha256} is not an archive.", field=field, sha256=sha256), field=field
            )
        return archive


def _options(parameters: dict[str, Any]) -> JobOptions:
    """Remove the options from the parameters of a message, and return them."""
    options = taken_options(parameters)
    if options.idempotency_key is not None:
        raise InvalidRequest(
            "idempotency_key: not allowed in a message, whose task id already is its key.",
            field="idempotency_key",
            hint="Remove idempotency_key. Repeat a message with the same task_id.",
        )
    return options


def _bug(kind: str, error: BaseException | None) -> JobError:
    LOGGER.error("A function of the kind %s failed while it checked a message", kind, exc_info=error)
    message = f"The check of the request failed with a bug ({type(error).__name__}) in the kind {kind}."
    return JobError(code="internal", message=message, fault="machine")


def _celery(job_id: str, message: BareMessage) -> CeleryMessage:
    task_id = message.task_id if isinstance(message.task_id, str) and message.task_id else job_id
    return CeleryMessage(shown(task_id), message.relations, message.chained)


def _times(job: NewJob, message: BareMessage) -> dict[str, Any]:
    """Start and deadline of a job: the earlier deadline counts."""
    found: dict[str, Any] = {}
    if message.eta is not None:
        found["not_before_ms"] = round(message.eta.timestamp() * 1000)
    if message.expires is not None:
        left_s = (message.expires - datetime.now(UTC)).total_seconds()
        found["deadline_s"] = left_s if job.deadline_s is None else min(left_s, job.deadline_s)
    return found


def _embedded(given: object, field: str) -> bytes:
    if not isinstance(given, str) or not is_data_url(given):
        raise InvalidImage(
            said("{field}: neither the SHA-256 of an artifact nor a data:image/...;base64 URL.", field=field),
            field=field,
            hint="Put the picture into the message as a data URL, or upload it and send its SHA-256.",
        )
    try:
        return data_url_content(given)
    except ValueError as error:
        raise InvalidImage(
            said("{field}: {error}.", field=field, error=error),
            field=field,
            hint="Encode the picture in base64.",
        ) from None


def _refused(job_id: str, message: BareMessage) -> NewJob:
    kept = as_json(dict(message.kwargs))
    if len(json.dumps(kept)) > MAX_KEPT_CHARACTERS:
        kept = {name[:100]: str(value)[:200] for name, value in list(kept.items())[:50]}
    named = kept.get("model")
    model = named[:200] if isinstance(named, str) and named.isprintable() else "unknown"
    return NewJob(
        id=job_id,
        kind=message.kind,
        model=model,
        label="refused",
        request=kept,
        webhook_url=_webhook_url(message.kwargs.get("webhook_url")),
        celery=_celery(job_id, message),
    )


def _webhook_url(given: object) -> str | None:
    """The webhook URL of a refused message, if at least that field is valid."""
    try:
        return checked_url(given) if isinstance(given, str) else None
    except ValueError:
        return None
