"""Runs a worker in this process until it is told to stop."""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from brushwork_core.fleet.worker_registry import full_name
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log

from brushwork_workers.process.celery_worker import worker_app


def serve(
    settings: Settings,
    *,
    kinds: Sequence[str],
    name: str | None = None,
    concurrency: int = 16,
    log_level: str = "info",
) -> NoReturn:
    """Serve `kinds` until SIGTERM or SIGINT, finish what runs within the grace time, and end the process.

    Args:
        settings: Addresses and bounds.
        kinds: Whose queues to take from.
        name: Celery's node name, `something@host`, or the first half; no two workers may share one.
        concurrency: Jobs that run at once, each in a thread.
        log_level: debug, info, warning, error.

    Raises:
        SystemExit: The worker can't start; the log says why.
    """
    # Celery sets it up anew, but has things to say before.
    log.set_up(settings.log_format, level=log_level.upper())
    worker = worker_app(settings).Worker(
        pool="threads",
        concurrency=concurrency,
        queues=list(kinds),
        hostname=full_name(name),
        loglevel=log_level,
        # Celery's banner is no JSON.
        quiet=settings.log_format == "json",
        task_events=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    _end(worker.exitcode or 0)


def _end(status: int) -> NoReturn:
    """End the process now: all jobs are told of, the ledger is closed, the roster left.

    Python would first take torch apart, for seconds, in which whoever started this worker waits for nothing.
    """
    logging.shutdown()
    for stream in (sys.__stdout__, sys.__stderr__):
        # Nobody may read any more.
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    os._exit(status)
