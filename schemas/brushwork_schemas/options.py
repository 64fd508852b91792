"""Options of a job besides its request: priority, deadline, tenant, webhook and others."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.wording.field_error import FieldError
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.translation import add_translations
from brushwork_schemas.wording.validation import all_invalid, whole_numbers

LONGEST_DEADLINE_S = 30 * 24 * 3600.0
LONGEST_RETENTION_S = 10 * 365 * 24 * 3600.0
LONGEST_URL = 2000
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]+")
WebhookEventName = Literal["started", "succeeded", "failed", "canceled", "expired"]


class Priority(StrEnum):
    """Priority among the jobs of a tenant and kind. One step counts like one hour of waiting."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class JobOptions(BaseModel):
    """Options of `submit` that are not part of the request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: Priority = Field(
        Priority.NORMAL,
        title="Priority",
        description="Priority among the jobs of the same tenant and kind: low, normal, high or urgent.",
    )
    tenant: str = Field(
        "",
        max_length=64,
        pattern=r"^[\x21-\x7e]*$",
        title="Tenant",
        description="Tenant that the job belongs to. Tenants take turns, however many jobs each of them has.",
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        le=LONGEST_DEADLINE_S,
        strict=True,
        title="Deadline",
        description="Seconds from now. A job that has not ended by then expires.",
    )
    idempotency_key: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        title="Idempotency key",
        description="A second submit with the same key and request returns the job of the first submit.",
    )
    webhook_url: str | None = Field(
        None,
        title="Webhook",
        description="An http(s) address, without user name and password, that receives the job's events.",
    )
    webhook_events: tuple[WebhookEventName, ...] | None = Field(
        None,
        min_length=1,
        title="Webhook events",
        description="Events that the webhook receives: started, succeeded, failed, canceled, expired; "
        "by default all but started.",
    )
    group: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[\x21-\x7e]+$",
        title="Group",
        description="A name of your own for jobs that belong together. Lists can filter by it.",
    )
    retention_s: float | None = Field(
        None,
        ge=0,
        le=LONGEST_RETENTION_S,
        strict=True,
        title="Retention",
        description="Seconds after its end for which the job is kept at most. `brushwork prune` removes it "
        "after that.",
    )
    first_frame: bool = Field(
        False,
        strict=True,
        title="First frame",
        description="Use the first frame of an animated picture. Without this, such a picture is refused.",
    )
    traceparent: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        title="Trace",
        description="W3C Trace Context of the call. It is passed on to the worker and the webhook.",
    )

    @field_validator("webhook_events", mode="before")
    @classmethod
    def _are_names(cls, events: object) -> object:
        # The form of the command line and of HTML forms.
        return tuple(events.split(",")) if isinstance(events, str) else events

    @field_validator("webhook_url")
    @classmethod
    def _is_webhook(cls, url: str | None) -> str | None:
        return None if url is None else checked_url(url)


def taken_options(parameters: dict[str, Any]) -> JobOptions:
    """Remove the options from `parameters`, and return them.

    Raises:
        InvalidRequest: An option is invalid; `field` names it.
    """
    given = {name: parameters.pop(name) for name in JobOptions.model_fields if name in parameters}
    try:
        return JobOptions(
            **{name: whole_numbers(value) for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        wrong = Refusals()
        for each in all_invalid(error):
            field = each.name.partition(".")[0]
            message = said("{field}: {reason}.", field=field, reason=each.reason)
            hint = JobOptions.model_fields[field].description
            wrong.note(FieldError.of(message, code=each.type, field=field, hint=hint))
        wrong.raise_any()
        raise


def digest(kind: str, said: Mapping[str, Any], inputs: Sequence[Artifact]) -> str:
    """Return the SHA-256 of a caller's parameters, which is independent of defaults that are filled in.

    Args:
        kind: Name of the kind.
        said: Parameters of the caller, without files.
        inputs: Files of the request.
    """
    content = [kind, dict(said), [artifact.sha256 for artifact in inputs]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


OPTION_TRANSLATIONS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "field.priority.label": "优先级",
        "field.priority.hint": "在同一租户的同类任务中的优先级。",
        "field.tenant.label": "租户",
        "field.tenant.hint": "任务所属的租户；各租户轮流执行。",
        "field.deadline_s.label": "期限",
        "field.deadline_s.hint": "从现在起的秒数；到时仍未结束的任务会过期。",
        "field.idempotency_key.label": "幂等键",
        "field.idempotency_key.hint": "用同样的键再次提交同样的请求，会返回第一次提交的任务。",
        "field.webhook_url.label": "Webhook",
        "field.webhook_url.hint": "接收任务事件的 http(s) 地址，不含用户名和密码。",
        "field.webhook_events.label": "Webhook 事件",
        "field.webhook_events.hint": "要通知的事件；不选则通知除“开始”以外的所有事件。",
        "field.group.label": "分组",
        "field.group.hint": "您给相关任务起的名称，可用于筛选。",
        "field.retention_s.label": "保留时间",
        "field.retention_s.hint": "任务结束后最多保留的秒数，之后可能被删除。",
        "field.first_frame.label": "取第一帧",
        "field.first_frame.hint": "动画图片只用第一帧；不选则拒绝动画图片。",
        "field.traceparent.label": "追踪",
        "field.traceparent.hint": "调用的 W3C Trace Context，会传给工作进程和 Webhook。",
        "choice.low": "低",
        "choice.normal": "普通",
        "choice.high": "高",
        "choice.urgent": "紧急",
        "choice.started": "开始",
        "choice.succeeded": "完成",
        "choice.failed": "失败",
        "choice.canceled": "取消",
        "choice.expired": "过期",
    }
}
"""Chinese labels, hints and choices of the options; see `kinds.field_words.FieldWords`."""


def checked_url(url: str) -> str:
    """Return `url` if it is a valid address of a webhook. Its host is resolved only when an event is sent.

    Raises:
        ValueError: The address is not valid. The message says why.
    """
    if len(url) > LONGEST_URL:
        raise ValueError(said("must have at most {longest_url} characters", longest_url=LONGEST_URL))
    if not _PRINTABLE.fullmatch(url):
        raise ValueError("must consist of printable ASCII characters without spaces")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("must start with https:// or http://")
    _check_place(url)
    return url


def _check_place(url: str) -> None:
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError:
        raise ValueError("has an invalid host or port") from None
    if "@" in address.netloc:
        raise ValueError("must not contain a user name or password")
    if not _HOST.fullmatch(address.hostname or ""):
        raise ValueError("has no valid host; write an international domain name in its xn-- form")
    if port == 0:
        raise ValueError("must not use port 0")


add_translations(
    "zh",
    {
        str(field.description): OPTION_TRANSLATIONS["zh"][f"field.{name}.hint"]
        for name, field in JobOptions.model_fields.items()
    },
)
