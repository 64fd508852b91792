"""Jobs: submit, get, list, cancel, retry."""

from typing import Annotated, Literal

from brushwork_schemas.cursor import Cursor
from brushwork_schemas.states import JobState
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.list_query import ListQuery
from brushwork.gateway.bodies.prefer import Prefer, preferred_wait_s, wait_as_preferred
from brushwork.gateway.dependencies import Gateway, JobId, Reader, Submitter, visible
from brushwork.gateway.services import Services
from brushwork.gateway.watching.job_view import JobPage, JobView, view, written

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
Outcome = Literal["canceled", "canceling", "too_late"]
# By the state that the job was in.
_OUTCOMES: dict[JobState, Outcome] = {JobState.QUEUED: "canceled", JobState.RUNNING: "canceling"}


class Cancellation(BaseModel):
    """What came of the wish to cancel."""

    outcome: Outcome = Field(
        description="canceled: it has ended so; canceling: it runs, and stops at its next step; "
        "too_late: it had ended before."
    )
    job: JobView


@router.get("/{job_id}", operation_id="get_job", summary="One job", response_model=JobView)
async def get(
    job_id: JobId,
    request: Request,
    response: Response,
    services: Gateway,
    principal: Reader,
    prefer: Prefer = None,
) -> Response:
    """The job as it is now, or with `Prefer: wait=SECONDS` at its end, if that comes in time."""
    if preferred_wait_s(prefer):
        job = await run_in_threadpool(visible, services, principal, job_id)
        await wait_as_preferred(prefer, job, services, principal, request, response)
    return await run_in_threadpool(_shown, services, principal, job_id, response)


def _shown(services: Services, principal: Principal, job_id: str, response: Response) -> Response:
    job = visible(services, principal, job_id)
    return written(view(job, services.outlooks.of(job)), response)


@router.get("", operation_id="list_jobs", summary="Find jobs", response_model=JobPage)
def list_jobs(
    response: Response, services: Gateway, principal: Reader, query: Annotated[ListQuery, Depends()]
) -> Response:
    """Jobs, newest first. They come without `outlook`."""
    # One more than the page holds, for it to be known whether there is another.
    found = services.index.list(query.job_filter(principal), limit=query.limit + 1, before=query.after())
    page = found[: query.limit]
    more = Cursor.of(page[-1]).text if len(found) > query.limit else None
    return written(JobPage.model_construct(jobs=[view(job) for job in page], next=more), response)


@router.post("/{job_id}/cancel", operation_id="cancel_job", summary="Withdraw a job")
def cancel(job_id: JobId, services: Gateway, principal: Submitter) -> Cancellation:
    """Withdraw a job, and say honestly what came of it."""
    visible(services, principal, job_id)
    before = services.ledger.withdraw(job_id)
    return Cancellation(outcome=_OUTCOMES.get(before, "too_late"), job=view(services.client.get(job_id)))
