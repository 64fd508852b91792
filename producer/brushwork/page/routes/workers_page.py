"""The page of the workers and queues."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from brushwork.gateway.dependencies import Gateway, Reader
from brushwork.gateway.routes import workers
from brushwork.page.page_route import PageRoute
from brushwork.page.session import Session

router = APIRouter(route_class=PageRoute)


@router.get("/workers")
def workers_page(
    request: Request,
    services: Gateway,
    principal: Reader,
) -> Response:
    """Show the workers that run, and the number of jobs that wait for each kind."""
    return Session(request, principal, services).shown(
        "workers.html",
        workers=workers.workers(services, principal).workers,
        queues=workers.queues(services, principal).queues,
        flower=services.settings.flower_url,
        lease_s=services.settings.lease_s,
    )
