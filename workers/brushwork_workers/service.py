"""Runs a worker in this process until it is told to stop."""

from collections.abc import Sequence

from brushwork_schemas import log
from brushwork_schemas.settings import Settings

from brushwork_workers.celery_worker import worker_app
from brushwork_workers.station import default_name


def serve(
    settings: Settings,
    *,
    kinds: Sequence[str],
    name: str | None = None,
    concurrency: int = 16,
    log_level: str = "info",
) -> None:
    """Serve `kinds` until SIGTERM, or SIGINT, then finish what runs within the grace time.

    Args:
        settings: Addresses and bounds.
        kinds: Whose queues to take from.
        name: Celery's node name, `something@host`; it must differ between workers of one host.
        concurrency: Jobs that run at once, each in a thread.
        log_level: debug, info, warning, error.

    Raises:
        SystemExit: The worker can't start or has stopped with an error; the log says why.
    """
    # Celery sets it up anew, but has things to say before.
    log.set_up(settings.log_format, level=log_level.upper())
    worker = worker_app(settings).Worker(
        pool="threads",
        concurrency=concurrency,
        queues=list(kinds),
        hostname=name or default_name(),
        loglevel=log_level,
        # Celery's banner is no JSON.
        quiet=settings.log_format == "json",
        task_events=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    if worker.exitcode:
        raise SystemExit(worker.exitcode)
