"""Celery's consumer, which outlives every message.

Celery's own lets some malformed messages (without an id, with a list for a task's name, no JSON at all) end
the worker or its connection. Such a message is then delivered again, and no worker gets past it.
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
EVENTS_EVERY_S = 0.1
# Not kombu's own list: there, a KeyError over a message without an id counts as a lost connection, too.
_LOST = (redis.RedisError, ConnectionError, TimeoutError)


class PatientConsumer(Consumer):  # type: ignore[misc]
    """Drops what can't be read, says so in the log, and goes on."""

    loop: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._knock = Knock()
        self._celerys_loop = self.loop
        self.loop = self._patient_loop

    def register_with_event_loop(self, hub: Any) -> None:
        """Celery's own; events leave a few times a second, many in one message; a knock wakes it up."""
        super().register_with_event_loop(hub)
        hub.call_repeatedly(EVENTS_EVERY_S, self._flush_events)
        hub.add_reader(self._knock.fileno(), self._knock.answer)

    def on_send_event_buffered(self) -> None:
        """A job has begun or ended, in a thread of its own: the loop looks whether there is room for another.

        Celery would send the event at once, so that each job costs up to three messages.
        """
        self._knock.knock()

    def cancel_active_requests(self) -> None:
        """SIGQUIT: have the jobs given back, before Celery waits for their threads.

        Celery would cancel each, which a pool of threads refuses with an error; the signal that a stop is
        wanted then never came, and the worker stayed until its longest job had ended.
        """
        worker_shutting_down.send(sender=self.hostname, sig="SIGQUIT", how="Cold", exitcode=EX_FAILURE)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """Celery's handler of one message, which raises nothing but a loss of the connection."""
        handle = super().create_task_handler(*args, **options)

        def handle_or_drop(message: Any) -> None:
            try:
                _without_words(message)
                handle(message)
            except _LOST:
                raise
            except Exception as error:
                LOGGER.error("A malformed message was dropped: %s: %s", type(error).__name__, error)
                message.reject_log_error(LOGGER, self.connection_errors)

        return handle_or_drop

    def _patient_loop(self, *args: Any) -> None:
        try:
            self._celerys_loop(*args)
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception as error:
            # It is off the queue already. The loop is broken, though: connecting anew makes another.
            LOGGER.error("An entry of the queue is no message: %s: %s", type(error).__name__, error)
            raise ConnectionError("the queue is read anew after what was no message") from error


class Knock:
    """Wakes an event loop from any thread: a pipe with at most one byte in it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._lock = threading.Lock()
        self._knocked = False

    def fileno(self) -> int:
        """What the loop listens to."""
        return self._reader

    def knock(self) -> None:
        """Wake the loop."""
        with self._lock:
            if not self._knocked:
                self._knocked = True
                os.write(self._writer, b".")

    def answer(self) -> None:
        """The loop is awake."""
        with self._lock:
            os.read(self._reader, 1)
            self._knocked = False


def _without_words(message: Any) -> None:
    """Drop what a stranger's client quotes of its arguments: Flower would show every prompt."""
    headers = message.headers
    if isinstance(headers, dict) and headers.get("kwargsrepr"):
        headers.update(argsrepr="", kwargsrepr="")
