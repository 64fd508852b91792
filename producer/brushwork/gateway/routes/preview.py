"""The newest preview of a job, for those who ask now and then and hold no stream of events."""

from brushwork_schemas.preview import Preview
from fastapi import APIRouter, Response

from brushwork.gateway.dependencies import Gateway, JobId, Reader, visible

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/preview",
    operation_id="get_preview",
    summary="The newest preview",
    response_model=Preview,
    responses={204: {"description": "There is none: it does not run, or has made none yet."}},
)
def get(job_id: JobId, services: Gateway, principal: Reader) -> Preview | Response:
    """A small JPEG, in base64, of what a running job has so far.

    To ask has previews made, at most one a second, for ten seconds; so the first answer is mostly empty.
    """
    job = visible(services, principal, job_id)
    return services.client.preview(job.id) or Response(status_code=204)
