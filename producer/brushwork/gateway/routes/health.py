"""Health checks: whether the gateway runs, and whether it accepts jobs."""

from collections.abc import Mapping

from brushwork_core.queries.queue_states import ready_workers
from brushwork_schemas.errors import ServiceUnreachable
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import text

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


@router.get("/healthz", operation_id="alive", summary="Liveness check")
async def alive() -> Health:
    """Answer at once, without any other service."""
    return Health()


@router.get("/readyz", operation_id="ready", summary="Readiness check")
def ready(request: Request, services: Gateway) -> Readiness:
    """Check that jobs can be accepted, which needs the database and the store.

    A file is written, read and removed in the store, at most once in ten seconds. Without Redis, jobs wait in
    the database. A gateway that stops is not ready.
    """
    request.app.state.stopping.check()
    with services.database.reading() as connection:
        if connection.execute(text("SELECT 1")).scalar() != 1:
            raise ServiceUnreachable("The database gives a wrong answer to SELECT 1.")
    services.backend.store_probe.expect_usable()
    return Readiness(workers=ready_workers(services.outlooks, services.backend.catalogue))
