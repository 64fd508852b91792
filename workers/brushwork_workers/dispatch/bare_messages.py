"""Bare Celery messages, sent by a program that has no brushwork: checked and written to the ledger.

Such a program calls `send_task("brushwork.text-to-image", kwargs={"prompt": "..."}, queue="text-to-image")`.
The task id becomes the job id, so a message delivered twice is adopted once.
"""

import base64
import json
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
    InvalidDataset,
    InvalidImage,
    InvalidRequest,
    RequestError,
)
from brushwork_schemas.job import JobError
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields
from brushwork_schemas.options import taken_options
from brushwork_schemas.webhook_url import checked_url
from PIL import UnidentifiedImageError

LONGEST_ID = 64
MOST_KEPT_CHARACTERS = 20_000
_DATA_ADDRESS = re.compile(r"data:image/[a-z.+-]+;base64,", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class AcceptedMessage:
    """The job of a message; `waits` where others of its kind have come first and it has to wait its turn."""

    job_id: str
    waits: bool = False


class BareMessages:
    """Makes jobs of bare messages.

    Args:
        ledger: Where they are written.
        store: Where their pictures go.
        catalogue: What they may ask for.
        max_attempts: Runs of such a job.
        expect: Raises `UnknownModel` where a model is none that this tenant may ask for.
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

    def adopt(
        self, task_id: str, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> AcceptedMessage:
        """Write the job that a message means; one that is wrong becomes a failed job with its reason.

        Args:
            task_id: Celery's id of the message.
            kind: Whose task was called.
            args: Positional arguments; there must be none.
            kwargs: The fields of the kind's request; a picture may be an artifact's name or a
                `data:image/...;base64,` address, a data set only a name.

        Returns:
            The job; its id is the task's, unless that can't be one.
        """
        job_id = _job_id(task_id)
        try:
            job = self._admitted(job_id, kind, args, kwargs)
        except RequestError as error:
            self._ledger.refuse(_refused(job_id, kind, kwargs), JobError.of(error))
            return AcceptedMessage(job_id)
        submitted = self._ledger.submit([job])
        return AcceptedMessage(job_id, waits=job_id in submitted.new - submitted.sent)

    def _admitted(self, job_id: str, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NewJob:
        if args:
            raise InvalidRequest(
                "The message has positional arguments.",
                field="args",
                hint="Send all parameters by name, as kwargs.",
            )
        parameters = dict(kwargs)
        options = taken_options(parameters)
        if options.idempotency_key is not None:
            raise InvalidRequest(
                "idempotency_key: a message has one already, its task id.",
                field="idempotency_key",
                hint="Send a repeated message with the same task_id.",
            )
        # Only of the main picture, null is no way to leave it out.
        given = [
            name
            for name in file_fields()
            if parameters.get(name) is not None or name == "image" in parameters
        ]
        inputs = {name: self._file(parameters[name], name) for name in given}
        parameters |= {name: artifact.sha256 for name, artifact in inputs.items()}
        admitted = admit(kind, parameters, self._catalogue)
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
                f"{field}: it is no artifact's SHA-256.",
                field=field,
                hint="Bring the archive first: brushwork upload, or POST /v1/files.",
            )
        data, _ = pictures.cleaned(_embedded(given, field), field=field)
        return self._store.put_picture(data)

    def _known(self, sha256: str, field: str) -> Artifact:
        if file_fields()[field] != ARCHIVE:
            try:
                return describe(self._store.get(sha256), sha256)
            except UnidentifiedImageError:
                raise InvalidImage(f"{field}: artifact {sha256} is no picture.", field=field) from None
        if (archive := stored_archive(self._store, sha256)) is None:
            raise InvalidDataset(f"{field}: artifact {sha256} is no archive.", field=field)
        return archive


def _job_id(task_id: object) -> str:
    if not isinstance(task_id, str) or not task_id:
        return str(uuid.uuid4())
    if len(task_id) <= LONGEST_ID and task_id.isascii() and task_id.isprintable():
        return task_id
    return str(uuid.uuid5(uuid.NAMESPACE_OID, task_id.encode(errors="replace").decode()))


def _embedded(given: object, field: str) -> bytes:
    start = _DATA_ADDRESS.match(given) if isinstance(given, str) else None
    if start is None or not isinstance(given, str):
        raise InvalidImage(
            f"{field}: it is neither an artifact's SHA-256 nor a data:image/...;base64 address.",
            field=field,
            hint="A bare message holds the picture itself; the client uploads it for you.",
        )
    try:
        return base64.b64decode(given[start.end() :], validate=True)
    # binascii.Error is one, and so is what a letter that is not ASCII raises.
    except ValueError as error:
        raise InvalidImage(f"{field}: its base64 is damaged: {error}.", field=field) from error


def _refused(job_id: str, kind: str, kwargs: Mapping[str, Any]) -> NewJob:
    kept = dict(kwargs)
    if len(json.dumps(kept)) > MOST_KEPT_CHARACTERS:
        kept = {name[:100]: str(value)[:200] for name, value in list(kept.items())[:50]}
    asked = kept.get("model")
    model = asked[:200] if isinstance(asked, str) and asked.isprintable() else "unknown"
    return NewJob(
        id=job_id,
        kind=kind,
        model=model,
        label="refused",
        request=kept,
        webhook_url=_webhook_url(kwargs.get("webhook_url")),
    )


def _webhook_url(given: object) -> str | None:
    """Whom to tell of a refusal, if that at least is right."""
    try:
        return checked_url(given) if isinstance(given, str) else None
    except ValueError:
        return None
