"""Health checks: whether the gateway runs, and whether it accepts jobs."""

from brushwork_schemas.errors import ServiceUnreachable
from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from brushwork.gateway.dependencies import Gateway

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The answer of a health check that succeeded."""

    status: str = "ok"


@router.get("/healthz", operation_id="alive", summary="Liveness check")
async def alive() -> Health:
    """Answer at once, without any other service."""
    return Health()


@router.get("/readyz", operation_id="ready", summary="Readiness check")
def ready(services: Gateway) -> Health:
    """Check that jobs can be accepted, which needs the database. Without Redis, jobs wait in the database."""
    with services.database.reading() as connection:
        if connection.execute(text("SELECT 1")).scalar() != 1:
            raise ServiceUnreachable("The database gives a wrong answer to SELECT 1.")
    return Health()
