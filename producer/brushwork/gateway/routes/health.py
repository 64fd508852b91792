"""Whether the gateway lives, and whether it can do its work."""

from brushwork_schemas.errors import ServiceUnreachable
from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from brushwork.gateway.dependencies import Gateway

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """That it answers is the news."""

    status: str = "ok"


@router.get("/healthz", operation_id="alive", summary="Whether it lives")
async def alive() -> Health:
    """Whether the process answers; asks nobody else."""
    return Health()


@router.get("/readyz", operation_id="ready", summary="Whether it can do its work")
def ready(services: Gateway) -> Health:
    """Whether jobs can be accepted: whether the database answers. Redis may be away; jobs wait for it."""
    with services.database.reading() as connection:
        if connection.execute(text("SELECT 1")).scalar() != 1:
            raise ServiceUnreachable("The database answers strangely.")
    return Health()
