"""`Prefer: wait=SECONDS` (RFC 7240): a caller that would rather have the end of a job a little later."""

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
        description="`wait=20`: answer when the job has ended, or after 20 s, at most 60.",
        examples=["wait=20"],
    ),
]
_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?\s*(?=[,;\s]|$)', re.IGNORECASE)


def preferred_wait_s(prefer: str | None) -> int:
    """How long the caller would wait, in seconds; 0 where it did not say, or not so that one can read it."""
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
    """Wait for the job's end if the caller prefers to. No thread is held.

    For `async def` routes: check first that the caller may see the job. `response` gets the header that
    says how long, if the job has ended or the time is over; it does not where all seats are taken, or the
    gateway stops.

    Returns:
        Whether there was any waiting, so that the job is to be read anew.
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
