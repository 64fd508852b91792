"""Publishes the callbacks of an ended job into Redis: `link`, `link_error` and the next task of a chain.

All messages of one job are published in one transaction of Redis, together with a mark. A sender that finds
the mark publishes nothing: the one before it lost the reply of Redis, or ended before it wrote to the ledger.
"""

import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import redis
from brushwork_core.queue.broker import celery_app
from brushwork_core.queue.sentinel import error_text
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import private, said
from celery.backends.base import BaseBackend
from celery.canvas import Signature
from kombu.exceptions import BatchPublishError, LimitExceeded, OperationalError
from kombu.transport.redis import PublishBatch
from pydantic import BaseModel

from brushwork_workers.dispatch.bare_message import COMPOSED, PARTS, from_json

LOGGER = logging.getLogger(__name__)
MARK = "brushwork:callbacks-sent:"
MARK_S = 24 * 3600
MOST_AT_ONCE = 1_000_000
_NO_ANSWER = (OperationalError, BatchPublishError, LimitExceeded, redis.RedisError, OSError)


class UnlockBackend(BaseBackend):  # type: ignore[misc]
    """A result backend that stores nothing, for chords of foreign programs.

    Celery's base class starts a chord by sending `celery.chord_unlock` to the queue of its body. A worker of
    the foreign program counts the results there.
    """


class CallbackPublisher:
    """Publishes callbacks. Not for several threads at a time.

    Args:
        settings: Address of Redis.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = celery_app(settings)
        self._app.conf.update(
            result_backend=f"{__name__}:UnlockBackend",
            task_routes=(_route,),
            # All or none are published; the outbox tries again.
            task_publish_retry=False,
        )
        self._timeout_s = settings.publish_timeout_s

    def publish(self, job: Job, relations: Mapping[str, Any], *, again: bool) -> int:
        """Publish all callbacks of an ended job, or none.

        Args:
            job: The job, with its result.
            relations: Callbacks and relatives of its message.
            again: Whether an earlier call may have published them.

        Returns:
            The number of callbacks.

        Raises:
            ServiceUnreachable: Redis does not answer. They may have been published; call again.
        """
        callbacks = from_json(_callbacks(job, relations))
        if not callbacks:
            return 0
        try:
            with self._batch(job.id, again=again) as producer:
                if producer is None:
                    return 0
                return sum(
                    self._apply(job, signature, options, relations, producer)
                    for signature, options in callbacks
                )
        except _NO_ANSWER as error:
            raise ServiceUnreachable(
                said("Redis does not answer: {error}.", error=private(error_text(error))), field="redis_url"
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._app.close()

    def _apply(
        self, job: Job, signature: Any, options: dict[str, Any], relations: Mapping[str, Any], producer: Any
    ) -> bool:
        """Publish one callback, and return whether Celery could do so."""
        task_id = job.task_id or job.id
        argument = _result(job) if job.state is JobState.SUCCEEDED else task_id
        try:
            Signature.from_dict(signature, app=self._app).apply_async(
                (argument,),
                parent_id=task_id,
                root_id=relations.get("root_id") or task_id,
                producer=producer,
                **options,
            )
        except _NO_ANSWER:
            raise
        except Exception:
            # It could not be sent at the next try either, and the other callbacks can.
            LOGGER.exception("A callback of job %s cannot be sent", job.id, extra={"job": job.id})
            return False
        return True

    @contextmanager
    def _batch(self, job_id: str, *, again: bool) -> Iterator[Any]:
        """A producer whose messages are published at the end of the block; None if they were before."""
        mark = MARK + job_id
        with self._app.amqp.producer_pool.acquire(block=True, timeout=self._timeout_s) as producer:
            channel = producer.channel
            if again and _is_marked(channel, mark):
                yield None
                return
            channel.create_publish_batch = lambda max_size: MarkedBatch(channel, max_size, mark)
            # Groups and chords ask the application for a producer.
            self._app.producer_or_acquire = lambda given=None: nullcontext(given or producer)
            try:
                with producer.batch(MOST_AT_ONCE):
                    yield producer
            finally:
                del channel.create_publish_batch, self._app.producer_or_acquire


class MarkedBatch(PublishBatch):
    """A batch of messages that is published in one transaction, with a mark that expires.

    Args:
        channel: Channel of the producer.
        max_size: Most commands in the batch.
        mark: Key of the mark.
    """

    def __init__(self, channel: Any, max_size: int, mark: str) -> None:
        super().__init__(channel, max_size)  # type: ignore[no-untyped-call]
        self._mark = mark

    def flush(self) -> None:
        """Execute all commands in one transaction."""
        if self._buffered:
            self.pipeline.transaction = True
            self.pipeline.set(self._mark, 1, ex=MARK_S)
        super().flush()  # type: ignore[no-untyped-call]


def _is_marked(channel: Any, mark: str) -> bool:
    with channel.conn_or_acquire() as client:
        return bool(client.exists(mark))


def _route(name: str, *args: Any, **options: Any) -> dict[str, str] | None:
    """Route our own tasks: a chain may lead from one job to the next."""
    kind = name.partition(".")[2]
    is_own = kind in all_kinds() and all_kinds()[kind].task_name == name
    return {"queue": kind} if is_own else None


def _callbacks(job: Job, relations: Mapping[str, Any]) -> list[list[Any]]:
    """The signatures to apply, each with more options."""
    succeeded = job.state is JobState.SUCCEEDED
    name = "link" if succeeded else "link_error"
    found = [
        [_named(signature, f"{job.id}/{name}/{index}"), {}]
        for index, signature in enumerate(relations.get(name) or ())
    ]
    chain = relations.get("chain") or []
    if succeeded and chain:
        found.append([_named(chain[-1], f"{job.id}/chain"), {"chain": chain[:-1]}])
    return found


def _named(signature: dict[str, Any], name: str) -> dict[str, Any]:
    """The signature with ids for its tasks that are the same at each try, so that a repeat can be told."""
    kwargs, options = signature.get("kwargs") or {}, signature.get("options") or {}
    if not isinstance(kwargs, dict) or not isinstance(options, dict):
        # Celery will say so when it is to send it.
        return signature
    kwargs, options = dict(kwargs), dict(options)
    if signature.get("subtask_type") in COMPOSED:
        for part in PARTS & kwargs.keys():
            kwargs[part] = _named_parts(kwargs[part], f"{name}/{part}")
    if signature.get("subtask_type") != "group":
        options.setdefault("task_id", str(uuid.uuid5(uuid.NAMESPACE_OID, name)))
    return {**signature, "kwargs": kwargs, "options": options}


def _named_parts(parts: Any, name: str) -> Any:
    if isinstance(parts, dict):
        return _named(parts, name)
    if not isinstance(parts, list):
        return parts
    return [
        _named(part, f"{name}/{index}") if isinstance(part, dict) else part
        for index, part in enumerate(parts)
    ]


def _result(job: Job) -> Any:
    return job.result.model_dump(mode="json") if isinstance(job.result, BaseModel) else job.result
