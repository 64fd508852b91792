"""Celery's consumer, made to survive every message.

Some malformed messages (without an id, with a list as a task name, not JSON at all) end Celery's own worker
or its connection, and others are dropped. Here each message of a foreign program is read first, and put into
a form that Celery handles; what is wrong with it becomes the reason of a failed job.
"""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import redis
from brushwork_core.queue.task_ids import job_id_of
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from celery.platforms import EX_FAILURE
from celery.signals import worker_shutting_down
from celery.worker.consumer import Consumer
from celery.worker.state import revoked

from brushwork_workers.dispatch.bare_message import is_own, read
from brushwork_workers.process.job_request import BARE
from brushwork_workers.process.light_messages import is_light

LOGGER = logging.getLogger(__name__)
SEND_EVENTS_EVERY_S = 0.25
# Seconds before the first repetition, more before each later one, and the most.
RECONNECT = {"interval_start": 1.0, "interval_step": 1.0, "interval_max": 2.0}
# Not kombu's own list: in that one a KeyError of a message without an id counts as a lost connection, too.
_CONNECTION_LOST = (redis.RedisError, ConnectionError, TimeoutError)


class PatientConsumer(Consumer):  # type: ignore[misc]
    """Passes on every message, whatever it contains, and goes on if something is still wrong with it."""

    loop: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._wakeup = LoopWakeup()
        self._celery_loop = self.loop
        self.loop = self._patient_loop

    def register_with_event_loop(self, hub: Any) -> None:
        """Register with the loop, send buffered events several times a second, and let `_wakeup` wake it."""
        super().register_with_event_loop(hub)
        hub.call_repeatedly(SEND_EVENTS_EVERY_S, self._flush_events)
        hub.add_reader(self._wakeup.fileno(), self._wakeup.clear)
        self.app.worker_process.on_room(self._wakeup.wake)

    def _flush_events(self) -> None:
        if self.event_dispatcher:
            self.app.worker_process.task_events.deliver(self.event_dispatcher)

    def on_send_event_buffered(self) -> None:
        """Send nothing now. Celery would send each event at once, up to three messages for each job."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Connect again after Redis went away, whatever kombu meets while it closes the old connection.

        It tries to give back messages through the connection that it is closing. The AttributeError of that
        would end the worker and the jobs that run.
        """
        try:
            super().on_connection_error_after_connected(exc)
        except Exception as error:
            # The ledger has the jobs of these messages; they are published again.
            LOGGER.warning("The connection to Redis could not be closed: %s: %s", type(error).__name__, error)

    def ensure_connected(self, conn: Any) -> Any:
        """Connect to Redis, and try again every two seconds; Celery's own pause grows to half a minute."""
        conn.ensure_connection = partial(conn.ensure_connection, **RECONNECT)
        return super().ensure_connected(conn)

    def cancel_active_requests(self) -> None:
        """Announce the shutdown on SIGQUIT: jobs are given back before Celery waits for their threads.

        Celery would cancel each request, which a pool of threads refuses with an error. The shutdown signal
        would never be sent, and the worker would stay until its longest job had ended.
        """
        worker_shutting_down.send(sender=self.hostname, sig="SIGQUIT", how="Cold", exitcode=EX_FAILURE)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """Return Celery's message handler, made to raise only if the connection is lost."""
        handle = super().create_task_handler(*args, **options)
        self._consume_only_if_served(self.task_consumer.channel.qos)

        def handle_or_drop(message: Any) -> None:
            try:
                if _is_of_foreign_chord(message):
                    self._forward(message)
                    return
                if is_own(message):
                    self._look(message)
                    return
                self._prepare(message)
                self.app.worker_process.consumer_watchdog.message_taken()
                handle(message)
            except _CONNECTION_LOST:
                raise
            except Exception as error:
                LOGGER.error("Dropped a malformed message: %s: %s", type(error).__name__, error)
                message.reject_log_error(LOGGER, self.connection_errors)

        self._handle = handle_or_drop
        return handle_or_drop

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Handle a message whose body cannot be decompressed like any other: it becomes a failed job."""
        self._handle(message)

    def _consume_only_if_served(self, qos: Any) -> None:
        """Take no message while no job could begin: another worker may take it."""
        can_consume, process = qos.can_consume, self.app.worker_process
        qos.can_consume = lambda: process.takes_messages and can_consume()

    def _look(self, message: Any) -> None:
        """Have a thread look for jobs. The ledger has the job of the message, which may be forgotten."""
        if is_light(message):
            self.app.worker_process.message_taken(None)
            return
        message.ack_log_error(LOGGER, self.connection_errors)
        self.app.worker_process.message_taken(message.headers.get("id"))

    def _prepare(self, message: Any) -> None:
        """Replace the message by one without content. Its content goes to the task beside it."""
        served = [queue for queue in self.app.amqp.queues.consume_from if queue in all_kinds()]
        bare = read(message, served)
        job_id, task = job_id_of(bare.task_id), kind_named(bare.kind).task_name
        is_revoked = isinstance(bare.task_id, str) and bare.task_id in revoked
        # Without an id, each call of `job_id_of` gives another one.
        task_id = bare.task_id if isinstance(bare.task_id, str) and bare.task_id else job_id
        bare = replace(bare, task_id=task_id, is_revoked=is_revoked)
        known = {"argsrepr": "", "kwargsrepr": "", "ignore_result": True, BARE: bare}
        message.headers = {"id": job_id, "task": task, **known}
        message.body, message.content_type, message.content_encoding = (
            "[[], {}, {}]",
            "application/json",
            "utf-8",
        )
        message.errors, message._decoded_cache = [], None

    def _forward(self, message: Any) -> None:
        """Send the counting of a chord, whose body is a job, to the foreign program's own queue."""
        with self.app.amqp.producer_pool.acquire(block=True) as producer:
            producer.publish(
                message.body,
                routing_key=self.app.conf.task_default_queue,
                content_type=message.content_type,
                content_encoding=message.content_encoding,
                headers=message.headers,
                retry=False,
            )
        message.ack_log_error(LOGGER, self.connection_errors)

    def _patient_loop(self, *args: Any) -> None:
        try:
            self._celery_loop(*args)
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception as error:
            # The entry has left the queue already. But the loop is broken; a new connection makes a new one.
            LOGGER.error("Dropped a queue entry that is not a message: %s: %s", type(error).__name__, error)
            raise ConnectionError("Reconnecting after a queue entry that is not a message") from error


class LoopWakeup:
    """Wakes an event loop from any thread, through a pipe that holds at most one byte."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._lock = threading.Lock()
        self._is_set = False

    def fileno(self) -> int:
        """The file descriptor that the loop reads."""
        return self._reader

    def wake(self) -> None:
        """Wake the loop."""
        with self._lock:
            if not self._is_set:
                self._is_set = True
                os.write(self._writer, b".")

    def clear(self) -> None:
        """Empty the pipe, once the loop is awake."""
        with self._lock:
            os.read(self._reader, 1)
            self._is_set = False


def _is_of_foreign_chord(message: Any) -> bool:
    headers = message.headers
    return isinstance(headers, dict) and headers.get("task") == "celery.chord_unlock"
