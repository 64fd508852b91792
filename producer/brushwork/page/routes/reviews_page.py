"""The page of results that policies hold, for reviewers."""

from typing import Annotated

from brushwork_core.policies.decision import LONGEST_REASON
from fastapi import APIRouter, Form, Path, Request
from starlette.responses import Response

from brushwork.gateway.dependencies import Gateway, Reviewer
from brushwork.page.page_route import PageRoute
from brushwork.page.session import Session, redirect_to
from brushwork.page.views.job_view import JobDetails

MOST_SHOWN = 50
router = APIRouter(prefix="/reviews", route_class=PageRoute)
JobId = Annotated[str, Path(max_length=64)]


@router.get("")
def reviews_page(request: Request, services: Gateway, principal: Reviewer) -> Response:
    """Show the results that wait, the one that waits longest first."""
    found = services.backend.held_results.list(MOST_SHOWN)
    services.audit.note(principal, [each.job for each in found])
    shown = [(each, JobDetails.of(each.job, services.store, services.tenant_files)) for each in found]
    return Session(request, principal, services).shown("reviews.html", reviews=shown)


@router.post("/{job_id}/release")
async def release(job_id: JobId, services: Gateway, principal: Reviewer) -> Response:
    """Serve the result to its caller, and show the other ones."""
    await services.write(principal, services.backend.held_results.release, job_id)
    return redirect_to("/reviews")


@router.post("/{job_id}/refuse")
async def refuse(
    job_id: JobId,
    services: Gateway,
    principal: Reviewer,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
) -> Response:
    """End the job as failed, and show the other results."""
    await services.write(principal, services.backend.held_results.refuse, job_id, reason)
    return redirect_to("/reviews")
