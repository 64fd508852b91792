"""Runs a worker in this process until it is told to stop."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from brushwork_core.fleet.name_reservation import NameReservation
from brushwork_core.fleet.worker_registry import full_name
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log

from brushwork_workers.interface import Loader
from brushwork_workers.process.celery_worker import worker_app


def serve(
    settings: Settings,
    *,
    kinds: Sequence[str],
    name: str | None = None,
    concurrency: int = 16,
    log_level: str = "info",
    loaders: Mapping[str, Loader] | None = None,
    reservation: NameReservation | None = None,
) -> NoReturn:
    """Serve `kinds` until SIGTERM or SIGINT, finish what runs within the grace time, and end the process.

    Args:
        settings: Addresses and limits.
        kinds: The kinds of job to serve.
        name: Celery's node name, `something@host` or only `something`; it must be unique among all workers.
        concurrency: How many jobs run at the same time, each in a thread.
        log_level: debug, info, warning or error.
        loaders: Loaders to use in place of those that the families name, by family; for tests and benchmarks.
        reservation: The reservation of the name, if it was made before.

    Raises:
        SystemExit: The worker has stopped or could not start; the log has the reason.
    """
    log.capture(settings.log_format)
    # Celery sets the log up again later, but writes lines before.
    log.set_up(settings.log_format, level=log_level.upper())
    worker = worker_app(settings, loaders, reservation).Worker(
        pool="threads",
        concurrency=concurrency,
        queues=list(kinds),
        hostname=full_name(name),
        loglevel=log_level,
        # Celery's banner is not JSON.
        quiet=settings.log_format == "json",
        task_events=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    _end(worker.exitcode or 0)


def _end(status: int) -> NoReturn:
    """Exit at once: all jobs are recorded, the ledger is closed, the worker has left the registry.

    A normal exit of Python would first unload torch, which takes seconds.
    """
    log.close()
    for stream in (sys.__stdout__, sys.__stderr__):
        # The reader of the stream may be gone.
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    os._exit(status)
