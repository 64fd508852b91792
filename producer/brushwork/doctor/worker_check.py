"""Check that a worker is ready for each kind."""

from collections.abc import Iterator, Sequence

from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.queries.queue_states import model_names, on_no_worker, with_model
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.worker import SeenWorker

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
    catalogue = Catalogue.load(settings.catalogue)
    for kind in all_kinds():
        serving = [worker for worker in alive if worker.ready and kind in worker.kinds]
        yield _readiness(kind, serving, model_names(catalogue, kind))


def _readiness(kind: str, serving: Sequence[SeenWorker], models: Sequence[str]) -> Finding:
    ready = len(with_model(serving, models))
    if not serving:
        hint = f"Jobs wait until a worker starts: brushwork worker --kinds {kind}"
        return warn(ABOUT, f"{kind}: no worker is ready.", hint)
    if not ready:
        return warn(
            ABOUT,
            f"{kind}: {len(serving)} ready, but without a model of this kind. Jobs fail.",
            f"On the worker's machine, run: brushwork models pull NAME. Models: {', '.join(models)}.",
        )
    absent = on_no_worker(serving, models)
    more = f" Models on no worker: {', '.join(absent)}." if absent else ""
    return ok(ABOUT, f"{kind}: {ready} ready.{more}")
