"""The states of all queues."""

from collections import Counter
from collections.abc import Mapping, Sequence

from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.worker import SeenWorker

from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks


def queue_states(index: JobIndex, outlooks: Outlooks, catalogue: Catalogue) -> list[QueueState]:
    """Return the state of the queue of each kind, over all tenants.

    Args:
        index: Source of the running jobs.
        outlooks: Source of the queued jobs and the workers.
        catalogue: The models of each kind. A worker without any of them does not count as ready.
    """
    running: Counter[str] = Counter()
    for count in index.running():
        running[count.kind] += count.num_jobs
    return [_state(outlooks, kind, running[kind], catalogue) for kind in all_kinds()]


def ready_workers(outlooks: Outlooks, catalogue: Catalogue) -> Mapping[str, int]:
    """Return for each kind how many ready workers have at least one of its models."""
    return {
        kind: len(with_model(outlooks.serving(kind), model_names(catalogue, kind))) for kind in all_kinds()
    }


def model_names(catalogue: Catalogue, kind: str) -> Sequence[str]:
    """Return the names of the models of a kind."""
    return [model.name for model in catalogue.of_kind(kind)]


def with_model(workers: Sequence[SeenWorker], models: Sequence[str]) -> Sequence[SeenWorker]:
    """Return the workers that have at least one of the models."""
    return [worker for worker in workers if set(worker.models) & set(models)]


def on_no_worker(workers: Sequence[SeenWorker], models: Sequence[str]) -> Sequence[str]:
    """Return the models that none of the workers has."""
    return [model for model in models if not any(model in worker.models for worker in workers)]


def _state(outlooks: Outlooks, kind: str, running: int, catalogue: Catalogue) -> QueueState:
    queue = outlooks.queue(kind)
    serving, models = outlooks.serving(kind), model_names(catalogue, kind)
    ready = with_model(serving, models)
    return QueueState(
        kind=kind,
        in_redis=len(queue.dispatched),
        in_ledger=queue.num_waiting,
        running=running,
        oldest_s=queue.oldest_s,
        workers=len(ready),
        workers_without_model=len(serving) - len(ready),
        models_on_no_worker=tuple(on_no_worker(serving, models)),
    )
