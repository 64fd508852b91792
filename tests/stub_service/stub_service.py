"""A worker without models or Celery: with this folder on PYTHONPATH, `brushwork worker` runs it instead.

It starts in a moment, ends every queued job as failed with code `stub`, and takes `STUB_GRACE_S` to
stop, or with `STUB_FAILS` does not start at all, so that tests of the stack around it need no torch.
"""

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace

from brushwork_core.database.database import Database
from brushwork_core.fleet.name_reservation import NameReservation
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import JobError
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry

ERROR = JobError(code="stub", message="The stub makes no pictures.", fault="machine")


def serve(
    settings: Settings,
    *,
    kinds: Sequence[str],
    name: str | None = None,
    concurrency: int = 4,
    log_level: str = "info",
    reservation: NameReservation | None = None,
) -> None:
    if "STUB_FAILS" in os.environ:
        raise SystemExit(os.environ["STUB_FAILS"])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    database = Database(settings.database_url.get_secret_value())
    if reservation is None:
        entry = WorkerEntry(name or f"stub-{os.getpid()}", tuple(kinds), (), "none", ready=True)
    else:
        entry = replace(reservation.entry, device="none", ready=True)
        reservation.end(leave=False)
    WorkerRegistry(database).announce(entry)
    print(f"stub {entry.name} serves {', '.join(kinds)}", flush=True)
    while not stop.wait(0.02):
        _end_queued(database, entry.name)
    threading.Event().wait(float(os.environ.get("STUB_GRACE_S", "0")))
    WorkerRegistry(database).leave(entry.name)
    database.close()
    print("stub stopped", flush=True)


def _end_queued(database: Database, worker: str) -> None:
    ledger = Ledger(database)
    for job in JobIndex(database).list(JobFilter(state=JobState.QUEUED)):
        claim = ledger.claim(job.id, worker)
        if claim is not None:
            ledger.fail(job.id, claim.fence, ERROR)
