"""Reviews: results that policies hold, for keys with the scope `admin`."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from brushwork_core.ledger.held_results import HeldResult
from brushwork_core.policies.decision import LONGEST_REASON
from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.errors import FileNotFound
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.dependencies import Gateway, JobId, Reviewer
from brushwork.gateway.root import below_root
from brushwork.gateway.routes.files import FileName
from brushwork.gateway.services import Services
from brushwork.gateway.watching.job_view import JobView, view

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])
Reason = Annotated[
    str,
    Query(max_length=LONGEST_REASON, description="What the caller reads; by default the policy's reason."),
]
# It must not stay in a cache: it may be refused in a moment.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class ReviewView(BaseModel):
    """A result that waits for a reviewer."""

    job_id: str
    kind: str
    model: str
    tenant: str
    policy: str = Field(description="Name of the policy that holds the result.")
    reason: str = Field(description="What the caller reads meanwhile.")
    since: datetime
    request: Any = Field(description="The complete request.")
    result: Any = Field(description="The result, as its caller gets it once it is released.")
    links: dict[str, str] = Field(description="Paths: self, release, refuse, and the files of the result.")


class ReviewList(BaseModel):
    """Results that wait for a reviewer, the one that waits longest first."""

    reviews: list[ReviewView]


@router.get("", operation_id="list_reviews", summary="List held results")
def list_reviews(
    services: Gateway, principal: Reviewer, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> ReviewList:
    """List the results that wait for a reviewer, the one that waits longest first."""
    found = services.backend.held_results.list(limit)
    services.audit.note(principal, [each.job for each in found])
    return ReviewList(reviews=[_view(each) for each in found])


@router.get("/{job_id}", operation_id="get_review", summary="Get a held result")
def get(job_id: JobId, services: Gateway, principal: Reviewer) -> ReviewView:
    """Return a result that waits for a reviewer."""
    return _view(held_result(services, principal, job_id))


@router.get(
    "/{job_id}/files/{sha256}",
    operation_id="get_review_file",
    summary="Download a file of a held result",
    response_class=StreamingResponse,
)
def get_file(job_id: JobId, sha256: FileName, services: Gateway, principal: Reviewer) -> Response:
    """Return a file of a result that waits for a reviewer. `/v1/files` does not serve it."""
    artifact = _file_of(held_result(services, principal, job_id), sha256)
    content = services.store.stream(sha256, 0, artifact.size_bytes)
    headers = {**HEADERS, "Content-Length": str(artifact.size_bytes)}
    return StreamingResponse(content, headers=headers, media_type=artifact.media_type)


@router.post("/{job_id}/release", operation_id="release_result", summary="Release a held result")
async def release(job_id: JobId, services: Gateway, principal: Reviewer) -> JobView:
    """Serve the result to its caller. Webhooks and Celery programs are told of the end of the job now."""
    await services.write(principal, services.backend.held_results.release, job_id)
    return view(services.client.get(job_id))


@router.post("/{job_id}/refuse", operation_id="refuse_result", summary="Refuse a held result")
async def refuse(job_id: JobId, services: Gateway, principal: Reviewer, reason: Reason = "") -> JobView:
    """End the job as failed, with the code `policy_refused`, and remove its result."""
    await services.write(principal, services.backend.held_results.refuse, job_id, reason)
    return view(services.client.get(job_id))


def held_result(services: Services, principal: Principal, job_id: str) -> HeldResult:
    """Return a held result, and record that the principal reads it.

    Raises:
        JobNotFound: No job of this id has a held result.
    """
    found = services.backend.held_results.get(job_id)
    services.audit.note(principal, [found.job])
    return found


def _file_of(held: HeldResult, sha256: str) -> Artifact:
    for artifact in artifacts_within(held.job.result):
        if artifact.sha256 == sha256:
            return artifact
    raise FileNotFound(said("There is no file {sha256}.", sha256=ascii(sha256)[:80]), field="sha256")


def _view(held: HeldResult) -> ReviewView:
    job = held.job
    here = below_root(f"/v1/reviews/{quote(job.id, safe='')}")
    files = {
        f"file:{index}": f"{here}/files/{artifact.sha256}"
        for index, artifact in enumerate(artifacts_within(job.result))
    }
    return ReviewView(
        job_id=job.id,
        **{name: getattr(job, name) for name in ("kind", "model", "tenant", "request", "result")},
        **{name: getattr(held, name) for name in ("policy", "reason", "since")},
        links={"self": here, "release": f"{here}/release", "refuse": f"{here}/refuse", **files},
    )
