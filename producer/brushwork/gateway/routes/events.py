"""The events of a job as a stream."""

from typing import Annotated, Any

from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import checked_id
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from brushwork.gateway.admission.access import Principal, key_of
from brushwork.gateway.dependencies import Gateway, JobId, Reader, visible
from brushwork.gateway.services import Services
from brushwork.gateway.watching.job_events import EventStream, StreamStart, job_events
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
        "with a data: address. A comment every 15 seconds keeps the connection open.",
        "content": {"text/event-stream": {"schema": EVENT, "example": EXAMPLE}},
    },
    204: {"description": "The caller has seen the end of the job. There are no more events."},
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
    previews: Annotated[bool, Query(description="Whether to make and send previews.")] = False,
    last_event_id: Annotated[
        str | None, Header(description="Id of the last event that was received.")
    ] = None,
) -> Response:
    """Send the job now, then every change until its end.

    The stream may end early, when the gateway stops or after an hour. Connect again with `Last-Event-ID`; an
    `EventSource` does so by itself. Changes within a tenth of a second are sent as one event.
    """
    services.stream_limit.check(principal.stream_tenant)
    start = await run_in_threadpool(_start, services, principal, job_id)
    if start.status.state.is_terminal and start.is_known_by(last_event_id):
        return Response(status_code=204, headers=dict(response.headers))

    async def read() -> Any:
        return view(await run_in_threadpool(services.client.get, job_id))

    async def is_allowed() -> bool:
        return await run_in_threadpool(services.access.is_still_valid, key_of(request))

    events = job_events(
        start, services.watch, read, is_allowed, last_event_id=last_event_id, previews=previews
    )
    return EventStream(events, dict(response.headers), services.stream_limit.opened(principal.stream_tenant))


def _start(services: Services, principal: Principal, job_id: str) -> StreamStart:
    """Read the job and its status.

    Raises:
        JobNotFound: There is no such job, or the principal may not see it.
    """
    status = services.watch.status(checked_id(job_id))
    job = visible(services, principal, job_id)
    if status is None:
        raise JobNotFound(said("There is no job {job_id!r}.", job_id=job_id), field="id")
    return StreamStart(status, view(job, services.outlooks.of(job)))
