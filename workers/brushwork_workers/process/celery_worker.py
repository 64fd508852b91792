"""The Celery side of a worker: one task per kind, for bare messages, and Celery's lifecycle signals."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from brushwork_core.fleet.name_reservation import NameReservation
from brushwork_core.queue.broker import celery_app
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_schemas.errors import BrushworkError, ServiceMisconfigured, ServiceUnreachable
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from celery import Celery
from celery.signals import (
    celeryd_after_setup,
    setup_logging,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from brushwork_workers.interface import Loader
from brushwork_workers.process import light_messages, queue_entries, remote_control, revocations
from brushwork_workers.process.job_request import BARE, GIVE_BACK, STORED
from brushwork_workers.process.worker_process import WorkerProcess

LOGGER = logging.getLogger(__name__)
# Of sysexits.h: a service is away, so another start may succeed; a setting is wrong, so it cannot.
EXIT_SERVICE_AWAY = 75
EXIT_MISCONFIGURED = 78
EXIT_LIMIT_S = 2.0
# Longer than a client's limit: losing the connection costs a worker more.
SOCKET_TIMEOUT_S = 10.0


def worker_app(
    settings: Settings,
    loaders: Mapping[str, Loader] | None = None,
    reservation: NameReservation | None = None,
) -> Celery:
    """Create the Celery application with its tasks. Celery's worker command turns it into a worker.

    Args:
        settings: Addresses and limits.
        loaders: Loaders to use in place of those that the families name, by family.
        reservation: The reservation of the worker's name, if it was made before.
    """
    app = celery_app(settings, socket_timeout_s=SOCKET_TIMEOUT_S)
    app.conf.update(
        worker_pool="threads",
        worker_consumer="brushwork_workers.process.consumer:PatientConsumer",
        # A message that one worker has prefetched cannot be taken by another that has room now.
        worker_disable_prefetch=True,
        # The ledger, not the acknowledgement, decides what runs again.
        task_acks_late=False,
        worker_send_task_events=True,
        worker_proc_alive_timeout=60.0,
        task_remote_tracebacks=False,
    )
    queue_entries.install()
    light_messages.install()
    revocations.install()
    remote_control.install()
    for kind in all_kinds().values():
        _add_task(app, kind)
    lifecycle = WorkerLifecycle(app, settings, loaders or {}, reservation)
    for signal, receiver in lifecycle.receivers():
        signal.connect(receiver, weak=False)
    return app


class WorkerLifecycle:
    """Starts and stops the worker process when Celery signals it.

    Args:
        app: The Celery application of the worker.
        settings: Addresses and limits.
        loaders: Loaders to use in place of those that the families name.
        reservation: The reservation of the worker's name, if it was made before.
    """

    def __init__(
        self,
        app: Celery,
        settings: Settings,
        loaders: Mapping[str, Loader],
        reservation: NameReservation | None = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._loaders = loaders
        self._reservation = reservation
        self._was_asked_to_stop = False

    def receivers(self) -> list[tuple[Any, Callable[..., None]]]:
        """Return each Celery signal with its receiver."""
        return [
            # With a receiver here, Celery does not set up its own log.
            (setup_logging, self.set_up_log),
            # Not worker_init, which comes before the log is set up: the loading of models should be logged.
            (celeryd_after_setup, self.begin),
            (worker_ready, self.ready),
            (worker_shutting_down, self.shutting_down),
            (worker_shutdown, self.shut_down),
        ]

    def set_up_log(self, loglevel: int, logfile: str | None = None, **signal: object) -> None:
        """Write the log in brushwork's format, with the level and to the file that Celery was asked for."""
        log.set_up(self._settings.log_format, level=loglevel, file=logfile)
        # It would call the end of each message a success. The executor logs how a job ends.
        logging.getLogger("celery.app.trace").setLevel(logging.WARNING)

    def begin(self, sender: str, instance: Any, **signal: object) -> None:
        """Load the models before the first message is taken."""
        kinds = [queue for queue in self._app.amqp.queues.consume_from if queue in all_kinds()]
        try:
            # The command `brushwork worker` has reserved the name before torch was imported.
            self._reservation = self._reservation or NameReservation.made(self._settings, sender, kinds)
            self._app.worker_process = WorkerProcess(
                self._settings,
                kinds,
                self._app,
                self._reservation,
                concurrency=instance.concurrency,
                loaders=self._loaders,
            )
            self._app.worker_process.open()
        # Celery logs a receiver's exception and goes on; a worker without models must not.
        except Exception as error:
            LOGGER.critical("%s", error, exc_info=not isinstance(error, BrushworkError))
            if self._reservation is not None:
                self._reservation.end(leave=True)
            raise SystemExit(_exit_status(error)) from error

    def ready(self, **signal: object) -> None:
        """Announce that the worker consumes messages."""
        self._app.worker_process.announce_ready()

    def shutting_down(self, how: str, **signal: object) -> None:
        """Let running jobs finish within the grace time, then give them back.

        A second request, or SIGQUIT, gives them back at once.
        """
        worker_process: WorkerProcess | None = getattr(self._app, "worker_process", None)
        if worker_process is not None:
            worker_process.prepare_to_stop()
        grace_s = 0.0 if self._was_asked_to_stop or how == "Cold" else self._settings.grace_s
        self._was_asked_to_stop = True
        timer = threading.Timer(grace_s, self._exit)
        timer.daemon = True
        timer.start()

    def shut_down(self, **signal: object) -> None:
        """Close the worker process: all jobs have ended."""
        # A worker that could not start has none.
        worker_process: WorkerProcess | None = getattr(self._app, "worker_process", None)
        if worker_process is not None:
            worker_process.close()

    def _exit(self) -> None:
        # The timer comes first: neither a hung job nor an unreachable database may keep the process alive.
        timer = threading.Timer(EXIT_LIMIT_S, os._exit, (0,))
        timer.daemon = True
        timer.start()
        released = self._app.worker_process.release()
        LOGGER.warning("The grace time is over; %d running jobs go back to the queue", released)


def _exit_status(error: Exception) -> int:
    is_away = isinstance(error, ServiceUnreachable) and not isinstance(error, ServiceMisconfigured)
    return EXIT_SERVICE_AWAY if is_away else EXIT_MISCONFIGURED


def _add_task(app: Celery, kind: Kind) -> None:
    def run(task: Any) -> None:
        _accept(app.worker_process, task.request)

    options = {"bind": True, "typing": False, "max_retries": None}
    app.task(run, name=kind.task_name, Request="brushwork_workers.process.job_request:JobRequest", **options)


def _accept(process: WorkerProcess, request: Any) -> None:
    """Make a job of a bare message. It waits for its turn like any other job."""
    try:
        process.accept(request.get(BARE))
    except ServiceUnreachable as error:
        LOGGER.warning("A bare message goes back to Redis: %s", error)
        request.get(GIVE_BACK)()
        return
    request.get(STORED)()
    process.jobs.wake()
    # The job may have ended at once.
    process.task_events.noted()
