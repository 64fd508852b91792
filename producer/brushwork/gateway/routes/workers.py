"""The workers and the queues."""

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
    """List the workers. Those without a heartbeat for a long time are removed."""
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


@router.get("/queues", operation_id="list_queues", summary="List queues")
def queues(services: Gateway, principal: Reader) -> QueueList:
    """List the queued and running jobs of each kind, of all tenants together. Up to a second old."""
    return QueueList(queues=services.client.queues())
