"""Who is there to do the work, and how much of it waits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from brushwork_schemas.queue_state import QueueState
from fastapi import APIRouter
from pydantic import BaseModel, Field

from brushwork.gateway.dependencies import Gateway, Reader

router = APIRouter(prefix="/v1", tags=["workers"])


class WorkerView(BaseModel):
    """One worker process."""

    name: str = Field(description="Of one life: a worker that was started again has another.")
    kinds: list[str]
    models: list[str]
    device: str = Field(examples=["cuda:0"])
    ready: bool = Field(description="Whether its models are loaded and it takes jobs.")
    silent_s: float = Field(description="Seconds since it was last heard of.")
    running: int = Field(description="Jobs that it runs now.")
    batching: Mapping[str, Any] = Field(description="By module, how the calls of its jobs were gathered.")


class WorkerList(BaseModel):
    """All workers, longest-serving first."""

    workers: list[WorkerView]


class QueueList(BaseModel):
    """The queues of all kinds."""

    queues: Sequence[QueueState]


@router.get("/workers", operation_id="list_workers", summary="Who is there")
def workers(services: Gateway, principal: Reader) -> WorkerList:
    """The workers that the ledger has heard of; those that are silent for long are struck off."""
    running: Counter[str] = Counter()
    for one in services.index.running():
        running[one.worker] += one.num_jobs
    return WorkerList(
        workers=[
            WorkerView(
                name=worker.name,
                kinds=list(worker.kinds),
                models=list(worker.models),
                device=worker.device,
                ready=worker.ready,
                silent_s=worker.silent_s,
                running=running[worker.name],
                batching=worker.batching,
            )
            for worker in services.client.workers()
        ]
    )


@router.get("/queues", operation_id="list_queues", summary="How much waits")
def queues(services: Gateway, principal: Reader) -> QueueList:
    """What waits and runs of each kind, of all tenants together; about a second old."""
    return QueueList(queues=services.client.queues())
