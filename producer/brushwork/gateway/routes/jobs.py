"""Jobs: get, list, cancel and delete."""

from typing import Annotated, Literal

from brushwork_core.audit.audit_log import AuditAction
from brushwork_schemas.cursor import Cursor
from brushwork_schemas.states import JobState
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.bodies.list_query import ListQuery
from brushwork.gateway.bodies.prefer import Prefer, preferred_wait_s, wait_as_preferred
from brushwork.gateway.dependencies import (
    Gateway,
    JobId,
    ListPlace,
    Reader,
    Submitter,
    expect_visible,
    reachable,
    visible,
)
from brushwork.gateway.services import Services
from brushwork.gateway.watching.job_view import JobPage, JobView, changed_view, view, written

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
Outcome = Literal["canceled", "canceling", "too_late"]
# By the state of the job before.
_OUTCOMES: dict[JobState, Outcome] = {JobState.QUEUED: "canceled", JobState.RUNNING: "canceling"}


class Cancellation(BaseModel):
    """The result of a cancellation."""

    outcome: Outcome = Field(
        description="canceled: the job has ended. canceling: the job runs, and stops at its next step. "
        "too_late: the job had ended before."
    )
    job: JobView


@router.get("/{job_id}", operation_id="get_job", summary="Get a job", response_model=JobView)
async def get(
    job_id: JobId,
    request: Request,
    response: Response,
    services: Gateway,
    principal: Reader,
    prefer: Prefer = None,
) -> Response:
    """Return the job. With `Prefer: wait=SECONDS`, wait up to this time for its end first."""
    if preferred_wait_s(prefer, services.settings.answer_within_s):
        job = await run_in_threadpool(visible, services, principal, job_id)
        await wait_as_preferred(prefer, job, services, principal, request, response)
    return await run_in_threadpool(_shown, services, principal, job_id, response)


def _shown(services: Services, principal: Principal, job_id: str, response: Response) -> Response:
    job, outlook = services.outlooks.get(job_id)
    expect_visible(principal, job)
    services.audit.note(principal, [job])
    return written(view(job, outlook), response)


@router.get(
    "", operation_id="list_jobs", summary="List jobs", response_model=JobPage, dependencies=[ListPlace]
)
def list_jobs(
    response: Response, services: Gateway, principal: Reader, query: Annotated[ListQuery, Depends()]
) -> Response:
    """List jobs, newest first, without `outlook`."""
    # One more than the page has room for, to know whether there is a next page.
    found = services.index.list(query.job_filter(principal), limit=query.limit + 1, before=query.after())
    page = found[: query.limit]
    services.audit.note(principal, page)
    more = Cursor.of(page[-1]).text if len(found) > query.limit else None
    return written(JobPage.model_construct(jobs=[view(job) for job in page], next=more), response)


@router.post("/{job_id}/cancel", operation_id="cancel_job", summary="Cancel a job")
async def cancel(job_id: JobId, services: Gateway, principal: Submitter) -> Cancellation:
    """Cancel a job. `outcome` tells whether it was still possible.

    A key without the scope `read` gets the job without its request, result and error.
    """
    return await services.write(principal, _canceled, services, principal, job_id)


def _canceled(services: Services, principal: Principal, job_id: str) -> Cancellation:
    found = reachable(services, principal, job_id)
    before = services.ledger.withdraw(job_id)
    services.audit.note(principal, [found], AuditAction.JOB_CANCELED)
    job = changed_view(services.client.get(job_id), may_read=principal.may_read)
    return Cancellation(outcome=_OUTCOMES.get(before, "too_late"), job=job)


@router.delete("/{job_id}", operation_id="delete_job", summary="Delete a job", status_code=204)
async def delete(job_id: JobId, services: Gateway, principal: Submitter) -> None:
    """Delete a job that has ended, with its result, its webhook events and the files that nothing else uses.

    Files of other jobs and uploaded files are kept. A job that has not ended is refused: cancel it first.
    """
    await services.write(principal, services.client.delete_of, principal.tenant, job_id)
