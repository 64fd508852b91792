"""The queue in Redis: the form of a job's message, and how it is sent. Producers and workers share this.

A message wakes one worker, which looks into the ledger for the jobs that are next. Its Celery task id is the
id of a new job. It also has a label for Flower; the request is in the ledger. It has less than 1,000 bytes.
"""

import logging
from collections.abc import Sequence
from typing import Any

import redis
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from brushwork_schemas.options import Priority
from brushwork_schemas.wording.phrase import private, said
from celery import Celery
from kombu.exceptions import BatchPublishError, LimitExceeded, OperationalError

from brushwork_core.ledger import WakeUp
from brushwork_core.queue.sentinel import broker_address, error_text, sentinel_options
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry.trace_context import propagated

LOGGER = logging.getLogger(__name__)
ORIGIN = "brushwork"
LONGEST_LABEL = 72
# The lowest number is first. They are the four lists of kombu. Bare messages name no priority and are in the
# first list; the worker that adopts one lets it wait its turn in the ledger.
REDIS_PRIORITY = {Priority.URGENT: 0, Priority.HIGH: 3, Priority.NORMAL: 6, Priority.LOW: 9}
# Headers that Celery does not need: our tasks are not part of a group, and have no stamps and no other name.
_UNUSED_HEADERS = ("shadow", "group_index", "replaced_task_nesting", "stamped_headers", "stamps")
# A header: the message names a job, but asks for whatever job is next. Messages of older programs lack it.
LOOK = "look"
_NO_ANSWER = (OperationalError, BatchPublishError, redis.RedisError, OSError)


def celery_app(settings: Settings, *, socket_timeout_s: float | None = None) -> Celery:
    """Return a Celery application for producers and workers: JSON only, without a result backend.

    Args:
        settings: Address of Redis.
        socket_timeout_s: Seconds for one reply of Redis, by default `settings.publish_timeout_s`.
    """
    # Not the current app, which belongs to the host program: its shared tasks would be sent to our Redis.
    app = _OwnBroker("brushwork", broker=broker_address(settings), set_as_current=False)
    timeout_s = socket_timeout_s or settings.publish_timeout_s
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        # The ledger stores results. A result backend would be one more service that can fail.
        task_ignore_result=True,
        task_create_missing_queues=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Failover (READONLY) and a full Redis raise channel errors, which a worker must survive.
        broker_channel_error_retry=True,
        broker_transport_options=_transport_options(timeout_s) | sentinel_options(settings, timeout_s),
    )
    return app


class _OwnBroker(Celery):  # type: ignore[misc]
    """A Celery application that uses its given broker, even if CELERY_BROKER_URL names another one."""

    def __init__(self, name: str, *, broker: str, **options: Any) -> None:
        super().__init__(name, broker=broker, **options)
        self._own_broker = broker

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_read(url or self._own_broker, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        address = url or self._own_broker
        # Each host is tried once. By default kombu retries for six seconds inside a publish.
        once = {"max_retries": address.count(";"), "interval_start": 0, "interval_step": 0}
        given = options.pop("transport_options", None) or {}
        return super().connection_for_write(address, transport_options=once | given, **options)


def _transport_options(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_connect_timeout": timeout_s,
        "socket_timeout": timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }


class Publisher:
    """Sends the messages of jobs to the queues of their kinds.

    Args:
        app: Celery application with the broker.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def publish(self, jobs: Sequence[WakeUp]) -> bool:
        """Send one message for each job, in one pipeline, without retries.

        Returns:
            Whether Redis accepted them. If not, workers find the jobs a little later.
        """
        timeout_s = self._app.conf.broker_transport_options["socket_timeout"]
        pool = self._app.amqp.producer_pool
        try:
            # While Redis does not answer, other threads hold the connections, so this wait needs a limit,
            # too.
            with pool.acquire(block=True, timeout=timeout_s) as producer, producer.batch():
                for job in jobs:
                    self._send(producer, job)
        except LimitExceeded:
            LOGGER.warning("All connections wait for Redis. Workers will find the jobs without messages")
            return False
        except _NO_ANSWER as error:
            LOGGER.warning(
                "Redis accepted no message. Workers will find the jobs without: %s", error_text(error)
            )
            return False
        return True

    def num_waiting(self, kind: str) -> int:
        """Return the number of messages in the queue of `kind`, over all priorities.

        Raises:
            ServiceUnreachable: Redis does not answer.
        """
        timeout_s = self._app.conf.broker_transport_options["socket_timeout"]
        try:
            with self._app.amqp.producer_pool.acquire(block=True, timeout=timeout_s) as producer:
                channel = producer.channel
                with channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
                    for step in REDIS_PRIORITY.values():
                        pipe.llen(channel._q_for_pri(kind, step))
                    return sum(pipe.execute())
        except (*_NO_ANSWER, LimitExceeded) as error:
            raise ServiceUnreachable(
                said("Redis does not answer: {error}.", error=private(error_text(error))),
                field="redis_url",
                hint="Check BRUSHWORK_REDIS_URL, and that the server is running.",
            ) from error

    def _send(self, producer: Any, job: WakeUp) -> None:
        # Like `send_task`, which would write the label twice, and an address for replies.
        amqp, task = self._app.amqp, kind_named(job.kind).task_name
        message = amqp.create_task_message(
            job.job_id,
            task,
            argsrepr=job.label[:LONGEST_LABEL],
            kwargsrepr="",
            origin=ORIGIN,
            ignore_result=True,
        )
        for name in _UNUSED_HEADERS:
            del message.headers[name]
        message.headers.update(propagated(job.traceparent))
        message.headers[LOOK] = True
        priority = REDIS_PRIORITY[job.priority]
        amqp.send_task_message(producer, task, message, queue=job.kind, priority=priority, retry=False)


def queue_names() -> list[str]:
    """Return the names of all queues. Each kind has one queue with its name."""
    return list(all_kinds())
