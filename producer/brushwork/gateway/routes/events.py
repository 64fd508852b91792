"""The events of a job, as they happen."""

from typing import Annotated, Any

from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import checked_id
from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from brushwork.gateway.admission.access import Principal, key_of
from brushwork.gateway.dependencies import Gateway, JobId, Reader, visible
from brushwork.gateway.services import Services
from brushwork.gateway.watching.job_events import Beginning, EventStream, told
from brushwork.gateway.watching.job_view import view

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
EXAMPLE = """id: 1.0.queued
event: snapshot
data: {"id":"0198f0c2-...","kind":"text-to-image","state":"queued"}

id: 2.3.running
event: progress
data: {"step":3,"total":12}

id: 2.12.succeeded
event: end
data: {"id":"0198f0c2-...","kind":"text-to-image","state":"succeeded"}

"""
EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["snapshot", "state", "progress", "preview", "end"]},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `snapshot` and `end` carry the job as `GET /v1/jobs/{id}` does, "
        '`state` {"state", "attempt"}, `progress` {"step", "total"}, `preview` {"step", "total", "image"} '
        "with a data: address. A comment every 15 s keeps the connection open.",
        "content": {"text/event-stream": {"schema": EVENT, "example": EXAMPLE}},
    },
    204: {"description": "The caller has seen the end: there is nothing more, and no reason to ask again."},
}


@router.get(
    "/{job_id}/events",
    operation_id="job_events",
    summary="Follow a job",
    responses=RESPONSES,
    response_class=Response,
    response_model=None,
)
async def follow(
    job_id: JobId,
    request: Request,
    response: Response,
    services: Gateway,
    principal: Reader,
    previews: Annotated[bool, Query(description="Whether to have previews made, and send them.")] = False,
    last_event_id: Annotated[str | None, Header(description="The id of the last event seen.")] = None,
) -> Response:
    """The job now, then every change until its end; an `EventSource` resumes by itself.

    The stream may end early, when the gateway stops or after an hour: connect again with `Last-Event-ID`.
    What happens in the same tenth of a second is told as one.
    """
    services.stream_limit.check(principal.stream_tenant)
    beginning = await run_in_threadpool(_beginning, services, principal, job_id)
    if beginning.standing.state.is_terminal and beginning.is_known_by(last_event_id):
        return Response(status_code=204, headers=dict(response.headers))

    async def read() -> Any:
        return view(await run_in_threadpool(services.client.get, job_id))

    async def may_stay() -> bool:
        return await run_in_threadpool(services.access.is_still_valid, key_of(request))

    events = told(beginning, services.watch, read, may_stay, last_event_id=last_event_id, previews=previews)
    return EventStream(events, dict(response.headers), services.stream_limit.opened(principal.stream_tenant))


def _beginning(services: Services, principal: Principal, job_id: str) -> Beginning:
    """The job as it is.

    Raises:
        JobNotFound: As `visible`.
    """
    standing = services.watch.standing(checked_id(job_id))
    job = visible(services, principal, job_id)
    if standing is None:
        raise JobNotFound(f"There is no job {job_id!r}.", field="id")
    return Beginning(standing, view(job, services.outlooks.of(job)))
