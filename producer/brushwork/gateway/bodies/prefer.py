"""`Prefer: wait=SECONDS` (RFC 7240): the answer comes when the job has ended, or after this time."""

import re
import time
from typing import Annotated

from brushwork_schemas.errors import TooManyStreams
from brushwork_schemas.job import Job
from fastapi import Header, Request, Response

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.services import Services

LONGEST_S = 60
Prefer = Annotated[
    str | None,
    Header(
        max_length=200,
        description="`wait=20`: answer when the job has ended, or after 20 seconds. The maximum is 60.",
        examples=["wait=20"],
    ),
]
_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?\s*(?=[,;\s]|$)', re.IGNORECASE)


def preferred_wait_s(prefer: str | None) -> int:
    """Return the wait that the header requests, in seconds; 0 without a valid `wait`."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), LONGEST_S) if found else 0


async def wait_as_preferred(
    prefer: str | None,
    job: Job,
    services: Services,
    principal: Principal,
    request: Request,
    response: Response,
) -> bool:
    """Wait for the end of a job if the request prefers it. No thread is held.

    Check before that the principal may see the job. If the job has ended or the time is over, `response` gets
    the header `Preference-Applied`. It does not if too many streams are open, or if the gateway stops.

    Returns:
        Whether the job must be read again, because it may have changed.
    """
    seconds = preferred_wait_s(prefer)
    if not seconds:
        return False
    until, has_ended = time.monotonic() + seconds, job.is_finished
    if not has_ended:
        try:
            with services.stream_limit.opened(principal.stream_tenant):
                has_ended = await services.watch.ended(job.id, seconds, has_left=request.is_disconnected)
        except TooManyStreams:
            return False
    if has_ended or time.monotonic() >= until:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    return not job.is_finished
