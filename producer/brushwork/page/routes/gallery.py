"""The gallery: all jobs, newest first, filtered by kind, model, state and text."""

from typing import Annotated
from urllib.parse import urlencode

from brushwork_schemas.cursor import Cursor
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from brushwork.gateway.bodies.list_query import STORABLE
from brushwork.gateway.dependencies import Gateway, ListPlace, Reader
from brushwork.page.page_route import PageRoute
from brushwork.page.session import Session
from brushwork.page.views.thumbnail import Thumbnail

JOBS_PER_PAGE = 48

router = APIRouter(route_class=PageRoute)
Words = Annotated[str, Query(max_length=200, pattern=STORABLE)]


@router.get("/gallery", dependencies=[ListPlace])
def gallery(
    request: Request,
    services: Gateway,
    principal: Reader,
    kind: Words = "",
    model: Words = "",
    state: Words = "",
    text: Words = "",
    cursor: Words = "",
) -> Response:
    """Show one page of jobs. An empty filter matches all jobs."""
    chosen = {"kind": kind, "model": model, "state": state, "text": text.strip()}
    filters = {name: value for name, value in chosen.items() if value}
    job_filter = JobFilter(
        kind=kind_named(kind).name if kind else None,
        model=model or None,
        state=_state(state),
        text=chosen["text"] or None,
        tenant=principal.tenant,
    )
    after = Cursor.parsed(cursor) if cursor else None
    jobs = services.index.list(job_filter, limit=JOBS_PER_PAGE + 1, before=after)
    services.audit.note(principal, jobs[:JOBS_PER_PAGE])
    older = (
        {**filters, "cursor": Cursor.of(jobs[JOBS_PER_PAGE - 1]).text} if len(jobs) > JOBS_PER_PAGE else None
    )
    return Session(request, principal, services).shown(
        "gallery.html",
        thumbnails=[Thumbnail.of(job) for job in jobs[:JOBS_PER_PAGE]],
        chosen=chosen,
        is_filtered=bool(filters),
        is_first=not cursor,
        older=f"/gallery?{urlencode(older)}" if older else None,
        newest=f"/gallery?{urlencode(filters)}",
        kinds=list(all_kinds()),
        models=[each.name for each in services.client.models_of(principal.tenant or "")],
        states=list(JobState),
    )


def _state(name: str) -> JobState | None:
    try:
        return JobState(name) if name else None
    except ValueError:
        raise InvalidRequest(
            said("state: there is no state {name!a}.", name=name),
            field="state",
            hint=said("States are {jobstate}.", jobstate=JobState),
        ) from None
