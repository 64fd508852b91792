"""Bare Celery messages, sent by a program without brushwork's client: validated and written to the ledger.

Such a program calls `send_task("brushwork.text-to-image", kwargs={"prompt": "..."}, queue="text-to-image")`.
The task id becomes the job id, so a message that is delivered twice makes one job.
"""

import base64
import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.media import pictures
from brushwork_core.media.archive_type import stored_archive
from brushwork_schemas.admission import admit
from brushwork_schemas.artifact import Artifact, describe
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import (
    ArtifactMissing,
    BrushworkError,
    InvalidDataset,
    InvalidImage,
    InvalidRequest,
    RequestError,
)
from brushwork_schemas.job import JobError
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields
from brushwork_schemas.options import checked_url, taken_options
from PIL import UnidentifiedImageError

LOGGER = logging.getLogger(__name__)
MAX_ID_LENGTH = 64
MAX_KEPT_CHARACTERS = 20_000
_DATA_URL = re.compile(r"data:image/[a-z.+-]+;base64,", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class AcceptedMessage:
    """The job that a message became.

    Args:
        job_id: Id of the job.
        waits: Whether jobs that have waited longer run first. The job then gets another message later.
    """

    job_id: str
    waits: bool = False


class _KindFailed(Exception):
    """A function of a kind raised an exception that is not about the request."""


class BareMessages:
    """Turns bare messages into jobs.

    Args:
        ledger: Takes the jobs.
        store: Takes the pictures that messages contain.
        catalogue: The models that a message may name.
        max_attempts: Most attempts of such a job.
        expect: Raises `UnknownModel` if a tenant may not use a model.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ArtifactStore,
        catalogue: Catalogue,
        *,
        max_attempts: int,
        expect: Callable[[Model, str], None] = lambda model, tenant: None,
    ) -> None:
        self._expect = expect
        self._ledger = ledger
        self._store = store
        self._catalogue = catalogue
        self._max_attempts = max_attempts

    def accept(
        self, task_id: str, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> AcceptedMessage:
        """Write the job of a message to the ledger. An invalid message becomes a failed job with the reason.

        If a function of the kind has a bug, the job fails with the code `internal`.

        Args:
            task_id: Celery's task id.
            kind: The kind whose task was called.
            args: Positional arguments; there must be none.
            kwargs: The fields of the kind's request, and job options. A picture is the SHA-256 of an artifact
                or a `data:image/...;base64,` URL; a data set is the SHA-256 of an artifact.

        Returns:
            The job. Its id is the task id, or is derived from it if the task id is not a valid job id.
        """
        job_id = _job_id(task_id)
        try:
            job = self._admitted(job_id, kind, args, kwargs)
        except RequestError as error:
            self._ledger.refuse(_refused(job_id, kind, kwargs), JobError.of(error))
            return AcceptedMessage(job_id)
        except _KindFailed as error:
            # Without a job, the sender would wait for ever: Celery drops a message whose task raised.
            self._ledger.refuse(_refused(job_id, kind, kwargs), _bug(kind, error.__cause__))
            return AcceptedMessage(job_id)
        submitted = self._ledger.submit([job])
        return AcceptedMessage(job_id, waits=job_id in submitted.new - submitted.sent)

    def _admitted(self, job_id: str, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NewJob:
        if args:
            raise InvalidRequest(
                "args: the message has positional arguments.",
                field="args",
                hint="Send all parameters by name, as kwargs.",
            )
        parameters = dict(kwargs)
        options = taken_options(parameters)
        if options.idempotency_key is not None:
            raise InvalidRequest(
                "idempotency_key: not allowed in a message, whose task id already is its key.",
                field="idempotency_key",
                hint="Remove idempotency_key. Repeat a message with the same task_id.",
            )
        # Null means "left out" for every file field but the main picture.
        given = [
            name
            for name in file_fields()
            if parameters.get(name) is not None or name == "image" in parameters
        ]
        inputs = {name: self._file(parameters[name], name) for name in given}
        parameters |= {name: artifact.sha256 for name, artifact in inputs.items()}
        try:
            admitted = admit(kind, parameters, self._catalogue)
        except BrushworkError:
            raise
        except Exception as error:
            raise _KindFailed from error
        self._expect(admitted.model, options.tenant)
        return NewJob.of(
            job_id, admitted, options, inputs=tuple(inputs.values()), max_attempts=self._max_attempts
        )

    def _file(self, given: object, field: str) -> Artifact:
        if isinstance(given, str) and _SHA256.fullmatch(given):
            try:
                return self._known(given, field)
            except ArtifactMissing as error:
                kind = InvalidDataset if file_fields()[field] == ARCHIVE else InvalidImage
                raise kind(f"{field}: {error.message}", field=field, hint=error.hint) from error
        if file_fields()[field] == ARCHIVE:
            raise InvalidDataset(
                f"{field}: not the SHA-256 of an artifact (64 hexadecimal digits).",
                field=field,
                hint="Upload the archive with brushwork upload or POST /v1/files, and send its SHA-256.",
            )
        data, _ = pictures.cleaned(_embedded(given, field), field=field)
        return self._store.put_picture(data)

    def _known(self, sha256: str, field: str) -> Artifact:
        if file_fields()[field] != ARCHIVE:
            try:
                return describe(self._store.get(sha256), sha256)
            except UnidentifiedImageError:
                raise InvalidImage(f"{field}: artifact {sha256} is not a picture.", field=field) from None
        if (archive := stored_archive(self._store, sha256)) is None:
            raise InvalidDataset(f"{field}: artifact {sha256} is not an archive.", field=field)
        return archive


def _bug(kind: str, error: BaseException | None) -> JobError:
    LOGGER.error("A function of the kind %s failed while it checked a message", kind, exc_info=error)
    message = f"The check of the request failed with a bug ({type(error).__name__}) in the kind {kind}."
    return JobError(code="internal", message=message, fault="machine")


def _job_id(task_id: object) -> str:
    if not isinstance(task_id, str) or not task_id:
        return str(uuid.uuid4())
    if len(task_id) <= MAX_ID_LENGTH and task_id.isascii() and task_id.isprintable():
        return task_id
    return str(uuid.uuid5(uuid.NAMESPACE_OID, task_id.encode(errors="replace").decode()))


def _embedded(given: object, field: str) -> bytes:
    start = _DATA_URL.match(given) if isinstance(given, str) else None
    if start is None or not isinstance(given, str):
        raise InvalidImage(
            f"{field}: neither the SHA-256 of an artifact nor a data:image/...;base64 URL.",
            field=field,
            hint="Put the picture into the message as a data URL, or upload it and send its SHA-256.",
        )
    try:
        return base64.b64decode(given[start.end() :], validate=True)
    # Covers binascii.Error, and the error for characters that are not ASCII.
    except ValueError as error:
        raise InvalidImage(f"{field}: invalid base64: {error}.", field=field) from error


def _refused(job_id: str, kind: str, kwargs: Mapping[str, Any]) -> NewJob:
    kept = dict(kwargs)
    if len(json.dumps(kept)) > MAX_KEPT_CHARACTERS:
        kept = {name[:100]: str(value)[:200] for name, value in list(kept.items())[:50]}
    named = kept.get("model")
    model = named[:200] if isinstance(named, str) and named.isprintable() else "unknown"
    return NewJob(
        id=job_id,
        kind=kind,
        model=model,
        label="refused",
        request=kept,
        webhook_url=_webhook_url(kwargs.get("webhook_url")),
    )


def _webhook_url(given: object) -> str | None:
    """The webhook URL of a refused message, if at least that field is valid."""
    try:
        return checked_url(given) if isinstance(given, str) else None
    except ValueError:
        return None
