"""Submit a job, or run one again with changes."""

from typing import Annotated, Any

from brushwork_core.audit.audit_log import AuditAction
from brushwork_core.telemetry.trace_context import TraceContext
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from brushwork.gateway.bodies.answer_at_end import answer_at_end
from brushwork.gateway.bodies.form_fields import parameters_of
from brushwork.gateway.bodies.prefer import Prefer
from brushwork.gateway.bodies.received import Received, received
from brushwork.gateway.bodies.submission import Submission
from brushwork.gateway.dependencies import Gateway, JobId, Submitter, reachable
from brushwork.gateway.media_types import JSON
from brushwork.gateway.root import below_root
from brushwork.gateway.watching.job_view import JobView, changed_view
from brushwork.transports.direct import Accepted

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
Body = Annotated[Received, Depends(received)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A second submit with the same key and request returns the first job. The header takes "
        "precedence over `idempotency_key` in the body.",
    ),
]
TraceParent = Annotated[
    str | None,
    Header(description="W3C Trace Context. Passed on to the worker and the webhook; ignored if invalid."),
]


@router.post("", status_code=201, operation_id="submit_job", summary="Submit a job", response_model=JobView)
async def submit(
    request: Request,
    response: Response,
    services: Gateway,
    principal: Submitter,
    body: Body,
    idempotency_key: IdempotencyKey = None,
    traceparent: TraceParent = None,
    prefer: Prefer = None,
) -> JobView | Response:
    """Submit a job. It is stored when the answer comes, also while Redis is not reachable.

    The body is JSON, or a form. A form has the files of the request, and either the field `request` with all
    other parameters as JSON, or a field for each parameter.

    With `Prefer: wait`, the head of the answer comes at once, with `Location`, and the body when the job has
    ended.
    """
    parameters = await run_in_threadpool(parameters_of, body)
    _add_headers(parameters, idempotency_key, traceparent)
    accepted = await Submission(services, principal).accept([parameters])
    job = _answered(accepted, response)
    # The wait may be long, and the pictures of the request are stored.
    parameters.clear()
    body.release()

    def shown(job: Job) -> JobView:
        return changed_view(job, may_read=principal.may_read, has_sent_request=True)

    return answer_at_end(prefer, job, services, principal, request, response, shown) or shown(job)


@router.post("/{job_id}/retry", status_code=201, operation_id="retry_job", summary="Run a job again")
async def retry(
    job_id: JobId,
    response: Response,
    services: Gateway,
    principal: Submitter,
    body: Body,
    idempotency_key: IdempotencyKey = None,
    traceparent: TraceParent = None,
) -> JobView:
    """Submit a new job with the request of a job that has ended. The body contains what to change.

    The seed is the same too, so a job that succeeded gives the same result.
    """
    job = await run_in_threadpool(reachable, services, principal, job_id)
    # Many HTTP clients name a type also where they send no body.
    is_empty = body.media_type in ("", JSON) and not body.data
    changes = {} if is_empty else await run_in_threadpool(parameters_of, body)
    if changes.setdefault("kind", job.kind) != job.kind:
        raise InvalidRequest(
            said("kind: cannot be changed. The job has the kind {kind}.", kind=job.kind),
            field="kind",
            hint="Leave it out.",
        )
    _add_headers(changes, idempotency_key, traceparent)
    accepted = await Submission(services, principal).accept_again(job, changes)
    await run_in_threadpool(services.audit.note, principal, [job], AuditAction.JOB_RETRIED)
    return changed_view(_answered(accepted, response), may_read=principal.may_read)


def _add_headers(parameters: dict[str, Any], idempotency_key: str | None, traceparent: str | None) -> None:
    if idempotency_key is not None:
        parameters["idempotency_key"] = idempotency_key
    if TraceContext.read(traceparent) is not None:
        parameters.setdefault("traceparent", traceparent)


def _answered(accepted: Accepted, response: Response) -> Job:
    (job,) = accepted.jobs
    response.headers["Location"] = below_root(f"/v1/jobs/{job.id}")
    if job.id not in accepted.new:
        response.status_code = 200
    return job
