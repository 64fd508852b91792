"""Check that a worker is ready for each kind."""

from collections.abc import Iterator

from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.registry import all_kinds

from brushwork.doctor.database_check import existing
from brushwork.doctor.finding import Finding, ok, warn

ABOUT = "workers"


def check_workers(settings: Settings) -> Iterator[Finding]:
    """Check the workers, and find kinds without a ready worker."""
    with existing(settings) as database:
        seen = WorkerRegistry(database).workers() if database else []
    alive = [worker for worker in seen if worker.silent_s < settings.lease_s]
    for worker in seen:
        if worker not in alive:
            yield warn(
                ABOUT,
                f"{worker.name} has sent no heartbeat for {worker.silent_s:.0f} s.",
                "If it was stopped, it is removed from the list soon. Otherwise see its log.",
            )
        elif not worker.ready:
            yield warn(
                ABOUT,
                f"{worker.name} is not ready.",
                "It is loading its models. If this takes long, see its log.",
            )
    for kind in all_kinds():
        ready = sum(worker.ready and kind in worker.kinds for worker in alive)
        if ready:
            yield ok(ABOUT, f"{kind}: {ready} ready.")
        else:
            hint = f"Jobs wait until a worker starts: brushwork worker --kinds {kind}"
            yield warn(ABOUT, f"{kind}: no worker is ready.", hint)
