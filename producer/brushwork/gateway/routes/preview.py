"""The newest preview of a job, for callers that poll instead of opening an event stream."""

from brushwork_schemas.preview import Preview
from fastapi import APIRouter, Response

from brushwork.gateway.dependencies import Gateway, JobId, Reader, visible

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/preview",
    operation_id="get_preview",
    summary="Get the newest preview",
    response_model=Preview,
    responses={204: {"description": "The job does not run, or has no preview yet."}},
)
def get(job_id: JobId, services: Gateway, principal: Reader) -> Preview | Response:
    """Return a small JPEG, in base64, of the current state of a running job.

    The call makes the worker produce previews for ten seconds, at most one per second. So the first answer is
    usually empty.
    """
    job = visible(services, principal, job_id)
    return services.client.preview(job.id) or Response(status_code=204)
