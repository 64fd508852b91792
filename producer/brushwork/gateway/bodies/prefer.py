"""`Prefer: wait=SECONDS` (RFC 7240): the answer comes when the job has ended, or after this time."""

import re
import time
from typing import Annotated

from brushwork_schemas.errors import TooManyStreams
from brushwork_schemas.job import Job
from fastapi import Header, Request, Response

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.request_guard import received_at
from brushwork.gateway.services import Services

Prefer = Annotated[
    str | None,
    Header(
        max_length=200,
        description="`wait=20`: answer when the job has ended, or after 20 seconds. The maximum is "
        "BRUSHWORK_ANSWER_WITHIN_S, by default 55; `Preference-Applied` names the time that was used.",
        examples=["wait=20"],
    ),
]
_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?\s*(?=[,;\s]|$)', re.IGNORECASE)


def preferred_wait_s(prefer: str | None, longest_s: float) -> int:
    """Return the wait that the header requests, in seconds; 0 without a valid `wait`.

    Args:
        prefer: The header.
        longest_s: Longest wait, in seconds.
    """
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), int(longest_s)) if found else 0


async def wait_as_preferred(
    prefer: str | None,
    job: Job,
    services: Services,
    principal: Principal,
    request: Request,
    response: Response,
) -> bool:
    """Wait for the end of a job if the request prefers it. No thread is held.

    Check before that the principal may see the job. The wait ends so early that the answer is in time,
    whatever the request has done before. If the job has ended or the time is over, `response` gets the header
    `Preference-Applied`. It does not if too many streams are open, or if the gateway stops.

    Returns:
        Whether the job must be read again, because it may have changed.
    """
    longest_s = services.settings.answer_within_s
    seconds = preferred_wait_s(prefer, longest_s)
    if not seconds:
        return False
    until, has_ended = min(time.monotonic() + seconds, received_at(request) + longest_s), job.is_finished
    if not has_ended:
        try:
            with services.stream_limit.opened(principal.stream_tenant):
                left_s = max(0.0, until - time.monotonic())
                has_ended = await services.watch.ended(job.id, left_s, has_left=request.is_disconnected)
        except TooManyStreams:
            return False
    if has_ended or time.monotonic() >= until:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    return not job.is_finished
