"""Celery's consumer, made to survive every message.

Some malformed messages (without an id, with a list as a task name, not JSON at all) end Celery's own worker
or its connection. Such a message is then delivered again, and no worker gets past it.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import redis
from celery.platforms import EX_FAILURE
from celery.signals import worker_shutting_down
from celery.worker.consumer import Consumer

LOGGER = logging.getLogger(__name__)
SEND_EVENTS_EVERY_S = 0.1
# Not kombu's own list: in that one a KeyError of a message without an id counts as a lost connection, too.
_CONNECTION_LOST = (redis.RedisError, ConnectionError, TimeoutError)


class PatientConsumer(Consumer):  # type: ignore[misc]
    """Drops messages that cannot be read, logs them, and goes on."""

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

    def on_send_event_buffered(self) -> None:
        """Wake the loop, because a job has started or ended and there may be room for another.

        Celery would send each event at once, up to three messages for each job.
        """
        self._wakeup.wake()

    def cancel_active_requests(self) -> None:
        """Announce the shutdown on SIGQUIT: jobs are given back before Celery waits for their threads.

        Celery would cancel each request, which a pool of threads refuses with an error. The shutdown signal
        would never be sent, and the worker would stay until its longest job had ended.
        """
        worker_shutting_down.send(sender=self.hostname, sig="SIGQUIT", how="Cold", exitcode=EX_FAILURE)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """Return Celery's message handler, made to raise only if the connection is lost."""
        handle = super().create_task_handler(*args, **options)

        def handle_or_drop(message: Any) -> None:
            try:
                _remove_argument_texts(message)
                handle(message)
            except _CONNECTION_LOST:
                raise
            except Exception as error:
                LOGGER.error("Dropped a malformed message: %s: %s", type(error).__name__, error)
                message.reject_log_error(LOGGER, self.connection_errors)

        return handle_or_drop

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


def _remove_argument_texts(message: Any) -> None:
    """Remove the copies of the arguments that other clients put into headers: Flower would show prompts."""
    headers = message.headers
    if isinstance(headers, dict) and headers.get("kwargsrepr"):
        headers.update(argsrepr="", kwargsrepr="")
