"""Less work for each message of Redis. Like `queue_entries`, this changes kombu in the whole process.

Kombu notes in Redis each message that is delivered, and removes the note when it is acknowledged, so that the
message of a dead worker can be delivered again. A message that only asks a worker to look need not be: the
ledger has the jobs. Kombu also builds a Redis client for each of its calls; here a channel keeps one.
"""

from typing import Any

from brushwork_core.queue.broker import LOOK
from kombu.transport import redis

_kombu_redis: Any = redis
_append: Any = _kombu_redis.QoS.append
_create_client: Any = _kombu_redis.Channel._create_client


def install() -> None:
    """Change the Redis transport of this process."""
    _kombu_redis.QoS.append = _append_unless_light
    _kombu_redis.Channel._create_client = _kept_client


def is_light(message: Any) -> bool:
    """Return whether a message only asks a worker to look. It is never acknowledged."""
    return isinstance(message.headers, dict) and message.headers.get(LOOK) is True


def _append_unless_light(qos: Any, message: Any, delivery_tag: str) -> None:
    if not is_light(message):
        _append(qos, message, delivery_tag)


def _kept_client(channel: Any, asynchronous: bool = False) -> Any:
    if asynchronous:
        return _create_client(channel, asynchronous=True)
    pool = channel.pool
    kept = channel.__dict__.get("_brushwork_client")
    if kept is None or kept[0] is not pool:
        # The client uses the connections of the pool, so any thread may use it.
        kept = channel._brushwork_client = pool, _create_client(channel)
    return kept[1]
