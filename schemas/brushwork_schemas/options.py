"""What a caller may say of a job beside its request: how urgent it is, until when, for whom, who is told."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.validation import first_invalid
from brushwork_schemas.webhook_url import checked_url

LONGEST_DEADLINE_S = 30 * 24 * 3600.0
LONGEST_RETENTION_S = 10 * 365 * 24 * 3600.0
WebhookEventName = Literal["started", "succeeded", "failed", "canceled", "expired"]


class Priority(StrEnum):
    """How urgent a job is among those of its tenant and kind; a head start, so that nobody starves."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class JobOptions(BaseModel):
    """Options of `submit` that no worker needs to know to do the work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: Priority = Field(Priority.NORMAL, description="low, normal, high or urgent.")
    tenant: str = Field(
        "",
        max_length=64,
        pattern=r"^[\x21-\x7e]*$",
        description="For whom: tenants of a kind take turns, however many jobs each has.",
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        le=LONGEST_DEADLINE_S,
        strict=True,
        description="Seconds from now; a job that has not ended by then ends as expired.",
    )
    idempotency_key: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A second submit of the same key and request returns the first one's job.",
    )
    webhook_url: str | None = Field(
        None, description="An http(s) address that is told of the job's end, without user name and password."
    )

    webhook_events: tuple[WebhookEventName, ...] | None = Field(
        None,
        min_length=1,
        description="What the webhook is told: started, succeeded, failed, canceled, expired; "
        "by default every end.",
    )
    group: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[\x21-\x7e]+$",
        description="Your own name for jobs that belong together; lists can be asked for it.",
    )
    retention_s: float | None = Field(
        None,
        ge=0,
        le=LONGEST_RETENTION_S,
        strict=True,
        description="Seconds after its end for which the job is kept at most; `prune` removes it then.",
    )
    traceparent: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        description="W3C Trace Context of the call, handed on to the worker and the webhook.",
    )

    @field_validator("webhook_events", mode="before")
    @classmethod
    def _are_names(cls, events: object) -> object:
        # As a command line and a form have it.
        return tuple(events.split(",")) if isinstance(events, str) else events

    @field_validator("webhook_url")
    @classmethod
    def _is_webhook(cls, url: str | None) -> str | None:
        return None if url is None else checked_url(url)


def taken_options(parameters: dict[str, Any]) -> JobOptions:
    """Take the options out of what a caller said.

    Raises:
        InvalidRequest: One of them is wrong; `field` names it.
    """
    given = {name: parameters.pop(name) for name in JobOptions.model_fields if name in parameters}
    try:
        return JobOptions(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = first_invalid(error)
        field = wrong.name.partition(".")[0]
        raise InvalidRequest(
            f"{field}: {wrong.reason}.", field=field, hint=JobOptions.model_fields[field].description
        ) from None


def digest(kind: str, said: Mapping[str, Any], inputs: Sequence[Artifact]) -> str:
    """SHA-256 of what a caller said: equal for equal requests, whatever was filled in."""
    content = [kind, dict(said), [artifact.sha256 for artifact in inputs]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
