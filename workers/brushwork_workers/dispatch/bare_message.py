"""A message of a program without brushwork's client, read as far as possible. Reading raises nothing."""

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from brushwork_core.queue.broker import ORIGIN
from brushwork_core.queue.task_ids import shown
from brushwork_core.telemetry.trace_context import propagated
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.wording.phrase import said
from celery.canvas import Signature
from kombu.utils import json as typed_json

# In the headers of an entry of the queue that is no message: what is wrong with it.
UNREADABLE = "brushwork_unreadable"
# Signatures of Celery that are made of others, and where those are in the keyword arguments.
COMPOSED = ("chain", "group", "chord")
PARTS = frozenset({"tasks", "header", "body"})
LONGEST_CHAINED_ID = 255
MAX_KEPT_CHARACTERS = 20_000
_SAMPLE = 1000
_FORM = "Send version 2 of Celery's protocol: `task` and `id` as headers, [args, kwargs, {}] as the body."


@dataclass(frozen=True)
class BareMessage:
    """A bare message.

    Args:
        task_id: Celery's task id, whatever it is.
        kind: The kind whose task was called, or whose queue the message was in.
        args: Positional arguments; there should be none.
        kwargs: Fields of the kind's request, and job options.
        eta: Time before which the job must not start.
        expires: Time at which the job expires.
        relations: Callbacks, chain and relatives of the task, as JSON.
        chained: Ids of the tasks that never run if the job does not succeed.
        is_revoked: Whether the task was revoked before its message arrived.
        problem: Why the message cannot be a job; None for a message of the right form.
    """

    task_id: object
    kind: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    eta: datetime | None = None
    expires: datetime | None = None
    relations: Mapping[str, Any] = field(default_factory=dict)
    chained: tuple[str, ...] = ()
    is_revoked: bool = False
    problem: InvalidRequest | None = None


def is_own(message: Any) -> bool:
    """Whether brushwork itself published the message: it names a job of the ledger and holds nothing else."""
    headers = message.headers
    if not isinstance(headers, dict) or headers.get("origin") != ORIGIN or message.errors:
        return False
    try:
        args, kwargs, _ = message.payload
    except Exception:
        return False
    return isinstance(headers.get("id"), str) and not args and not kwargs


def read(message: Any, served: Sequence[str]) -> BareMessage:
    """Read a message of a foreign program.

    Args:
        message: Kombu's message.
        served: The kinds of this worker. The first one stands for a queue without a known name.
    """
    headers = message.headers if isinstance(message.headers, dict) else {}
    try:
        fields, args, kwargs, embedded = _parts(message, headers)
    except InvalidRequest as problem:
        sample = {"entry": shown(_text(message.body))}
        return BareMessage(
            _task_id(headers, message), _kind(headers, message, served), (), sample, problem=problem
        )
    name, task_id = fields.get("task"), _task_id(fields, message)
    kind = _kind(fields, message, served)
    whole: dict[str, Any] = {
        "task_id": task_id,
        "kind": kind,
        "args": tuple(args) if isinstance(args, list | tuple) else (args,),
        "kwargs": propagated_trace(fields) | kwargs if isinstance(kwargs, dict) else {"kwargs": kwargs},
    }
    try:
        if not isinstance(kwargs, dict):
            raise InvalidRequest(
                "kwargs: not an object with a value for each name.", field="kwargs", hint=_FORM
            )
        _check_name(name)
        return BareMessage(
            **whole,
            eta=_moment(fields.get("eta"), "eta"),
            expires=_moment(fields.get("expires"), "expires"),
            relations=_relations(fields, embedded),
            chained=tuple(_chained(embedded.get("chain") or ())),
        )
    except InvalidRequest as problem:
        return BareMessage(**whole, relations=_sound_relations(fields, embedded), problem=problem)


def propagated_trace(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The trace of a sender that traces its calls, as an option of the job."""
    given = headers.get("traceparent")
    return dict(propagated(given)) if isinstance(given, str) else {}


def as_json(value: Any) -> Any:
    """Return a value of a message as plain JSON. Bytes, dates and the like become objects with their type."""
    try:
        return json.loads(typed_json.dumps(value))  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, RecursionError):
        return {"unreadable": shown(repr(value))}


def from_json(value: Any) -> Any:
    """Return what `as_json` was given."""
    return typed_json.loads(json.dumps(value))  # type: ignore[no-untyped-call]


def _parts(message: Any, headers: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any, Any, Mapping[str, Any]]:
    """Headers, args, kwargs and callbacks of a message of either version of Celery's protocol."""
    if UNREADABLE in headers:
        raise InvalidRequest(
            said("The entry of the queue is no message: {headers}.", headers=headers[UNREADABLE]), hint=_FORM
        )
    try:
        if message.errors:
            raise message.errors[0][1]
        body = message.payload
    # It may be of any type: the body names its decoder.
    except Exception as error:
        reason = shown(str(error))[:200]
        raise InvalidRequest(
            said(
                "body: it cannot be read as JSON ({type}: {reason}).",
                type=type(error).__name__,
                reason=reason,
            ),
            field="body",
            hint=_FORM,
        ) from error
    if isinstance(body, dict) and ("task" in body or "args" in body or "kwargs" in body):
        fields = {**body, **headers}
        return fields, body.get("args") or (), body.get("kwargs") or {}, body
    if isinstance(body, list | tuple) and len(body) == 3:
        args, kwargs, embedded = body
        return (
            headers,
            args or (),
            {} if kwargs is None else kwargs,
            embedded if isinstance(embedded, dict) else {},
        )
    raise InvalidRequest("body: not of the form [args, kwargs, embed].", field="body", hint=_FORM)


def _task_id(fields: Mapping[str, Any], message: Any) -> object:
    properties = message.properties if isinstance(message.properties, dict) else {}
    return fields.get("id") or properties.get("correlation_id")


def _kind(fields: Mapping[str, Any], message: Any, served: Sequence[str]) -> str:
    name = fields.get("task")
    delivery = message.delivery_info if isinstance(message.delivery_info, dict) else {}
    for kind in (name.partition(".")[2] if isinstance(name, str) else None, delivery.get("routing_key")):
        if isinstance(kind, str) and kind in all_kinds():
            return kind
    return served[0]


def _check_name(name: object) -> None:
    if not isinstance(name, str) or name not in {kind.task_name for kind in all_kinds().values()}:
        known = ", ".join(kind.task_name for kind in all_kinds().values())
        raise InvalidRequest(
            said("task: there is no task {shown}.", shown=shown(repr(name))[:80]),
            field="task",
            hint=said("The tasks are: {known}.", known=known),
        )


def _moment(given: object, field: str) -> datetime | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
        if not isinstance(moment, datetime):
            raise ValueError
        # As Celery reads it: a time without a zone is one of UTC.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(
            said("{field}: {shown} is not a time.", field=field, shown=shown(repr(given))[:80]),
            field=field,
            hint="Write it in the form of ISO 8601, such as 2030-01-31T12:00:00+00:00.",
        ) from error


# Celery's names in the body of a message, and those of its clients.
_CALLBACKS = {"callbacks": "link", "errbacks": "link_error", "chain": "chain"}


def _relations(fields: Mapping[str, Any], embedded: Mapping[str, Any]) -> dict[str, Any]:
    callbacks = {name: _signatures(embedded.get(key), name) for key, name in _CALLBACKS.items()}
    return {name: given for name, given in callbacks.items() if given} | _relatives(fields)


def _relatives(fields: Mapping[str, Any]) -> dict[str, Any]:
    ids = {name: fields.get(name) for name in ("root_id", "parent_id", "group")}
    return {name: given for name, given in ids.items() if isinstance(given, str)}


def _sound_relations(fields: Mapping[str, Any], embedded: Mapping[str, Any]) -> dict[str, Any]:
    """The relations of a message that is refused: its error callback is to be called, if there is one."""
    try:
        return _relations(fields, embedded)
    except InvalidRequest:
        return _relatives(fields)


def _signatures(given: object, field: str) -> list[Any]:
    if not given:
        return []
    try:
        signatures: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
        for signature in signatures:
            if not isinstance(signature["task"], str) or not signature["task"]:
                raise ValueError("its task has no name")
            Signature.from_dict(signature)
        return list(as_json(signatures))
    # Celery's classes raise whatever their code meets in a wrong place.
    except Exception as error:
        raise InvalidRequest(
            said(
                "{field}: not a Celery signature ({type}: {shown}).",
                field=field,
                type=type(error).__name__,
                shown=shown(str(error))[:80],
            ),
            field=field,
            hint="Let Celery write callbacks: app.send_task(..., link=app.signature(...)).",
        ) from error


def _chained(chain: Iterable[Any]) -> Iterable[str]:
    """Ids of the tasks behind a task in its chain; that of a chord is the id of its body."""
    waiting = deque(chain)
    while waiting:
        element = waiting.popleft()
        if not isinstance(element, dict):
            continue
        options, kwargs = element.get("options"), element.get("kwargs")
        task_id = options.get("task_id") if isinstance(options, dict) else None
        if isinstance(task_id, str) and task_id == shown(task_id) and len(task_id) <= LONGEST_CHAINED_ID:
            yield task_id
        if isinstance(kwargs, dict) and element.get("subtask_type") in COMPOSED:
            for part in PARTS & kwargs.keys():
                waiting.extend(kwargs[part] if isinstance(kwargs[part], list | tuple) else [kwargs[part]])


def _text(body: object) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body)[:_SAMPLE]
