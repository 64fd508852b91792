"""Entries of Redis lists that kombu cannot read, made into messages that say so.

Kombu takes an entry from its list and then reads it. If that raises an exception, the entry is lost, and the
connection is opened anew. With these two replacements each entry is delivered. They change a module of kombu,
so they hold for the whole process: only a worker installs them.
"""

import json
import uuid
from collections.abc import Callable
from typing import Any

from brushwork_core.queue.task_ids import shown
from kombu.transport import redis, virtual

from brushwork_workers.dispatch.bare_message import UNREADABLE

_kombu_redis: Any = redis
_loads: Callable[..., Any] = _kombu_redis.loads


def install() -> None:
    """Make the Redis transport of this process deliver every entry."""
    _kombu_redis.loads = _loads_or_text
    _kombu_redis.Channel.Message = EntryMessage


class EntryMessage(virtual.Message):
    """A message of whatever an entry holds."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        whole = _repaired(payload)
        try:
            super().__init__(whole, channel=channel, **options)  # type: ignore[no-untyped-call]
        # The entry names the encoding of its body, and how it is compressed.
        except Exception as error:
            super().__init__(_unreadable(payload, str(error)), channel=channel, **options)  # type: ignore[no-untyped-call]


def _loads_or_text(text: Any, *args: Any, **options: Any) -> Any:
    try:
        return _loads(text, *args, **options)
    except (ValueError, RecursionError, TypeError, KeyError):
        return text


def _repaired(payload: Any) -> dict[str, Any]:
    """The entry with all that kombu needs: properties, a tag and an address."""
    if not isinstance(payload, dict):
        return _unreadable(payload, "not a JSON object")
    properties = payload.get("properties")
    properties = dict(properties) if isinstance(properties, dict) else {}
    delivery = properties.get("delivery_info")
    delivery = dict(delivery) if isinstance(delivery, dict) else {}
    for name in ("exchange", "routing_key"):
        delivery[name] = delivery.get(name) if isinstance(delivery.get(name), str) else ""
    tag = properties.get("delivery_tag")
    properties["delivery_tag"] = tag if isinstance(tag, str) and tag else str(uuid.uuid4())
    headers = payload.get("headers")
    return {
        **payload,
        "headers": headers if isinstance(headers, dict) else {},
        "properties": {**properties, "delivery_info": delivery},
    }


def _unreadable(entry: Any, reason: str) -> dict[str, Any]:
    text = entry if isinstance(entry, str) else json.dumps(entry, default=repr)
    return {
        "body": shown(text),
        "content-type": "text/plain",
        "content-encoding": "utf-8",
        "headers": {UNREADABLE: shown(reason)[:200]},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": ""},
        },
    }
