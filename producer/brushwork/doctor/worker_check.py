"""Whether for each kind a worker is ready."""

from collections.abc import Iterator

from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.registry import all_kinds

from brushwork.doctor.database_check import existing
from brushwork.doctor.finding import Finding, ok, warn

ABOUT = "workers"


def check_workers(settings: Settings) -> Iterator[Finding]:
    """Ready and not silent, of each kind."""
    with existing(settings) as database:
        seen = WorkerRegistry(database).workers() if database else []
    alive = [worker for worker in seen if worker.silent_s < settings.lease_s]
    for worker in seen:
        if worker not in alive:
            yield warn(
                ABOUT,
                f"{worker.name} is silent for {worker.silent_s:.0f} s.",
                "If it was stopped, it is forgotten soon; else see its log.",
            )
        elif not worker.ready:
            yield warn(ABOUT, f"{worker.name} is not ready.", "It loads its models, or its log says why not.")
    for kind in all_kinds():
        ready = sum(worker.ready and kind in worker.kinds for worker in alive)
        if ready:
            yield ok(ABOUT, f"{kind}: {ready} ready.")
        else:
            hint = f"Jobs wait until one comes: brushwork worker --kinds {kind}"
            yield warn(ABOUT, f"{kind}: no worker is ready.", hint)
