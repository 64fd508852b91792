"""The Celery side of a worker: one task for each kind, which only translates, and the worker's life."""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from brushwork_core.queue.broker import celery_app
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_core.telemetry.trace_context import propagated
from brushwork_schemas.errors import BrushworkError, ServiceUnreachable
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from celery import Celery, Task
from celery.signals import (
    celeryd_after_setup,
    setup_logging,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from brushwork_workers.dispatch.bare_messages import AcceptedMessage
from brushwork_workers.execution.executor import Outcome
from brushwork_workers.process.worker_process import WorkerProcess

LOGGER = logging.getLogger(__name__)
EXIT_MISCONFIGURED = 78
SECONDS_TO_LEAVE = 2.0
SECONDS_TO_NEXT_ADOPTION = 2.0
# A worker waits longer for Redis than a caller would: losing the connection costs it more.
SOCKET_TIMEOUT_S = 10.0


class JobEndedAsFailed(Exception):
    """Makes Flower show a failed job as failed; the ledger holds why, and nothing of it is private here."""


def worker_app(settings: Settings) -> Celery:
    """The application with its tasks; it becomes a worker when Celery starts one of it."""
    app = celery_app(settings, socket_timeout_s=SOCKET_TIMEOUT_S)
    app.conf.update(
        worker_pool="threads",
        worker_consumer="brushwork_workers.process.consumer:PatientConsumer",
        # A message that one worker holds for later is out of reach for another that has room now.
        worker_disable_prefetch=True,
        # The ledger, not the acknowledgement, decides what runs again.
        task_acks_late=False,
        worker_send_task_events=True,
        worker_proc_alive_timeout=60.0,
        task_remote_tracebacks=False,
    )
    for kind in all_kinds().values():
        _add_task(app, kind)
    lives = WorkerLifecycle(app, settings)
    for signal, receiver in lives.receivers():
        signal.connect(receiver, weak=False)
    return app


class WorkerLifecycle:
    """The worker's life as Celery signals it: begin, ready, asked to stop, stopped.

    Args:
        app: Whose worker.
        settings: Its settings.
    """

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._asked_before = False

    def receivers(self) -> list[tuple[Any, Callable[..., None]]]:
        """Each signal and who hears it."""
        return [
            # With somebody here, Celery leaves the log as it is.
            (setup_logging, self.log),
            # Not worker_init, which comes before the log is set up: what is loaded is to be seen there.
            (celeryd_after_setup, self.begin),
            (worker_ready, self.ready),
            (worker_shutting_down, self.asked_to_stop),
            (worker_shutdown, self.stopped),
        ]

    def log(self, loglevel: int, logfile: str | None = None, **signal: object) -> None:
        """Write the log in our form, as much of it as Celery was asked for and where it was asked for."""
        log.set_up(self._settings.log_format, level=loglevel, file=logfile)

    def begin(self, sender: str, instance: Any, **signal: object) -> None:
        """Load everything before the first message is taken."""
        kinds = [queue for queue in self._app.amqp.queues.consume_from if queue in all_kinds()]
        try:
            self._app.worker_process = WorkerProcess(
                self._settings, kinds, self._app, sender, instance.concurrency
            )
            self._app.worker_process.open()
        # Celery logs a receiver's Exception and goes on; a worker without models must not.
        except Exception as error:
            LOGGER.critical("%s", error, exc_info=not isinstance(error, BrushworkError))
            raise SystemExit(EXIT_MISCONFIGURED) from error

    def ready(self, **signal: object) -> None:
        """The worker consumes."""
        self._app.worker_process.take_work()

    def asked_to_stop(self, how: str, **signal: object) -> None:
        """Let running jobs finish within the grace time, then give them back.

        At once if asked again, or by SIGQUIT.
        """
        worker_process: WorkerProcess | None = getattr(self._app, "station", None)
        if worker_process is not None:
            worker_process.rest()
        grace_s = 0.0 if self._asked_before or how == "Cold" else self._settings.grace_s
        self._asked_before = True
        timer = threading.Timer(grace_s, self._leave)
        timer.daemon = True
        timer.start()

    def stopped(self, **signal: object) -> None:
        """All jobs have ended."""
        # A worker that could not begin has none.
        worker_process: WorkerProcess | None = getattr(self._app, "station", None)
        if worker_process is not None:
            worker_process.close()

    def _leave(self) -> None:
        # First of all: neither a job that hangs nor a database that is away may keep the process.
        timer = threading.Timer(SECONDS_TO_LEAVE, os._exit, (0,))
        timer.daemon = True
        timer.start()
        released = self._app.worker_process.release()
        LOGGER.warning("The grace time is over: %d jobs go back to the queue", released)


def _adopted(
    app: Celery, kind: Kind, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AcceptedMessage:
    # A sender that traces its calls has it among the headers of its messages.
    trace = propagated(task.request.get("traceparent"))
    kwargs = trace | kwargs
    try:
        adopted: AcceptedMessage = app.worker_process.bare_messages.adopt(
            task.request.id, kind.name, args, kwargs
        )
    except ServiceUnreachable as error:
        # Until the ledger has it, the message is all that there is of the job: it waits in Redis.
        raise task.retry(exc=error, countdown=SECONDS_TO_NEXT_ADOPTION) from error
    return adopted


def _add_task(app: Celery, kind: Kind) -> None:
    def run(task: Task, /, *args: Any, **kwargs: Any) -> str:
        app.worker_process.feeder.message_taken()
        job_id = task.request.id
        if args or kwargs:
            adopted = _adopted(app, kind, task, args, kwargs)
            if adopted.waits:
                return Outcome.WAITS
            job_id = adopted.job_id
        with app.worker_process.consumer_watchdog.taken():
            outcome: Outcome = app.worker_process.executor.execute(job_id)
        if outcome is Outcome.FAILED:
            raise JobEndedAsFailed(f"job {job_id}; see: brushwork show {job_id}")
        return outcome

    options = {"bind": True, "typing": False, "max_retries": None, "throws": (JobEndedAsFailed,)}
    app.task(run, name=kind.task_name, **options)
