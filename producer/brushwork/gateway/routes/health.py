"""Health checks: whether the gateway runs, and whether it accepts jobs."""

from collections.abc import Mapping, Sequence

from brushwork_core.queries.queue_states import ready_workers
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from brushwork.gateway.dependencies import Gateway

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The answer of a health check that succeeded."""

    status: str = "ok"


class Readiness(Health):
    """The answer of the readiness check."""

    workers: Mapping[str, int] = Field(
        default_factory=dict,
        description="By kind: ready workers with at least one model of it. GET /v1/queues tells more.",
    )
    degraded: Sequence[str] = Field(
        (), description="Services that are away, and without which jobs are accepted and wait: `redis`."
    )


@router.get("/healthz", operation_id="alive", summary="Liveness check")
async def alive() -> Health:
    """Answer at once, without any other service."""
    return Health()


@router.get("/readyz", operation_id="ready", summary="Readiness check")
def ready(request: Request, services: Gateway) -> Readiness:
    """Check that jobs and files can be accepted: write to the database, the store and the temporary folder.

    The writes are made at most once in some seconds. Without Redis, jobs are accepted and wait in the
    database, so the gateway is ready and lists `redis` under `degraded`. A gateway that stops is not ready.
    """
    request.app.state.stopping.check()
    services.readiness.expect_ready()
    workers = ready_workers(services.outlooks, services.backend.catalogue)
    return Readiness(workers=workers, degraded=services.readiness.degraded())
