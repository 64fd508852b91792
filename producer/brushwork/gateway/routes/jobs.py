"""Jobs: submit, get, list, cancel, retry."""

from typing import Annotated, Any, Literal

from brushwork_schemas.api_keys import Scope
from brushwork_schemas.errors import InvalidRequest, JobNotFound
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState
from fastapi import APIRouter, Body, Depends, Header, Path, Query, Response
from pydantic import BaseModel, Field

from brushwork.gateway.access import Principal, asks_for
from brushwork.gateway.job_view import JobPage, JobView, view
from brushwork.gateway.services import Services

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
Reader = Annotated[Principal, Depends(asks_for(Scope.READ))]
Submitter = Annotated[Principal, Depends(asks_for(Scope.SUBMIT))]
Gateway = Annotated[Services, Depends(Services.of)]
JobId = Annotated[str, Path(max_length=64, description="The job's id.")]


class Cancellation(BaseModel):
    """What came of the wish to cancel."""

    outcome: Literal["canceled", "canceling", "too_late"] = Field(
        description="canceled: it has ended so; canceling: it runs, and stops at its next step; "
        "too_late: it had ended before."
    )
    job: JobView


def visible(services: Services, principal: Principal, job_id: str) -> Job:
    """The job, if this caller may see it.

    Raises:
        JobNotFound: There is none, or it is another tenant's: the two can't be told apart.
    """
    job = services.client.get(job_id)
    if principal.tenant is not None and job.tenant != principal.tenant:
        raise JobNotFound(f"There is no job {job_id!r}.", field="id")
    return job


@router.post("", status_code=201)
def submit(
    body: Annotated[dict[str, Any], Body()],
    response: Response,
    services: Gateway,
    principal: Submitter,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    traceparent: Annotated[str | None, Header(max_length=55)] = None,
) -> JobView:
    """Accept one job. It is durable when this answers, whether or not Redis does."""
    request = dict(body)
    if idempotency_key is not None:
        request["idempotency_key"] = idempotency_key
    if traceparent is not None:
        request["traceparent"] = traceparent
    request["tenant"] = _tenant(principal, request.get("tenant"))
    job = services.client.submit_many([request])[0]
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return view(job)


@router.get("/{job_id}")
def get(job_id: JobId, services: Gateway, principal: Reader) -> JobView:
    """The job as it is now."""
    return view(visible(services, principal, job_id))


@router.get("")
def list_jobs(
    services: Gateway,
    principal: Reader,
    kind: str | None = None,
    state: JobState | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> JobPage:
    """Jobs, newest first."""
    jobs = services.client.list(kind=kind, state=state, tenant=principal.tenant, limit=limit)
    return JobPage(jobs=[view(job) for job in jobs])


@router.post("/{job_id}/cancel")
def cancel(job_id: JobId, services: Gateway, principal: Submitter) -> Cancellation:
    """Withdraw a job, and say honestly what came of it."""
    if visible(services, principal, job_id).is_finished:
        return Cancellation(outcome="too_late", job=view(services.client.get(job_id)))
    job = services.client.cancel(job_id)
    outcome: dict[bool, Literal["canceling", "too_late"]] = {False: "canceling", True: "too_late"}
    if job.state is JobState.CANCELED:
        return Cancellation(outcome="canceled", job=view(job))
    return Cancellation(outcome=outcome[job.is_finished], job=view(job))


@router.post("/{job_id}/retry", status_code=201)
def retry(
    job_id: JobId,
    services: Gateway,
    principal: Submitter,
    changes: Annotated[dict[str, Any] | None, Body()] = None,
) -> JobView:
    """A new job with the request of one that has ended; what the body names is changed."""
    visible(services, principal, job_id)
    asked = dict(changes or {})
    if principal.tenant is not None and "tenant" in asked:
        asked["tenant"] = _tenant(principal, asked["tenant"])
    return view(services.client.retry(job_id, **asked))


def _tenant(principal: Principal, asked: Any) -> Any:
    """Whom a job is for: a key's jobs are its tenant's.

    Raises:
        InvalidRequest: The caller asks for another.
    """
    if principal.tenant is None:
        return asked or ""
    if asked not in (None, principal.tenant):
        raise InvalidRequest("tenant: this key is another tenant's.", field="tenant", hint="Leave it out.")
    return principal.tenant
