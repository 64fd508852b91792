"""The workers and the queues."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brushwork_schemas.catalogue import TRAINED
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.worker import SeenWorker
from fastapi import APIRouter
from pydantic import BaseModel, Field

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.dependencies import Gateway, Reader
from brushwork.gateway.services import Services

router = APIRouter(prefix="/v1", tags=["workers"])


class WorkerView(BaseModel):
    """One worker process."""

    name: str = Field(description="Name of the process. A restarted worker has a new name.")
    kinds: list[str]
    models: list[str]
    device: str = Field(examples=["cuda:0"])
    ready: bool = Field(description="Whether its models are loaded and it accepts jobs.")
    silent_s: float = Field(description="Seconds since its last heartbeat.")
    running: int = Field(description="Number of jobs that it runs now.")
    batching: Mapping[str, Any] = Field(
        description="For each module of a model, how calls of its jobs were batched."
    )


class WorkerList(BaseModel):
    """All workers, the oldest first."""

    workers: list[WorkerView]


class QueueList(BaseModel):
    """The queues of all kinds."""

    queues: Sequence[QueueState]


@router.get("/workers", operation_id="list_workers", summary="List workers")
def workers(services: Gateway, principal: Reader) -> WorkerList:
    """List the workers. Those without a heartbeat for a long time are removed.

    A key of a tenant sees the models of the catalogue and those that its tenant has trained.
    """
    seen = services.client.workers()
    is_shown = _shown_models(services, principal, seen)
    running: Counter[str] = Counter()
    for one in services.index.running():
        running[one.worker] += one.num_jobs
    return WorkerList(
        workers=[
            WorkerView(
                name=worker.name,
                kinds=list(worker.kinds),
                models=[name for name in worker.models if is_shown(name)],
                device=worker.device,
                ready=worker.ready,
                silent_s=worker.silent_s,
                running=running[worker.name],
                # By "<model> <part>".
                batching={
                    module: figures
                    for module, figures in worker.batching.items()
                    if is_shown(module.partition(" ")[0])
                },
            )
            for worker in seen
        ]
    )


def _shown_models(
    services: Services, principal: Principal, seen: Sequence[SeenWorker]
) -> Callable[[str], bool]:
    """Return whether the principal may see the name of a model: that of a trained model is a job's id."""
    if principal.tenant is None:
        return lambda name: True
    names = {name for worker in seen for name in worker.models}
    names |= {module.partition(" ")[0] for worker in seen for module in worker.batching}
    own = services.backend.trained_models.of_tenant(names, principal.tenant)
    return lambda name: not name.startswith(TRAINED) or name in own


@router.get("/queues", operation_id="list_queues", summary="List queues")
def queues(services: Gateway, principal: Reader) -> QueueList:
    """List the queued and running jobs of each kind, of all tenants together. Up to a second old."""
    return QueueList(queues=services.client.queues())
