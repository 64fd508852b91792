"""The answer to a submit that waits: its head is sent at once, its body when the job has ended.

So the caller has `Location`, the address of its job, as soon as the job is accepted, even if the connection
breaks while it waits. Blanks are sent meanwhile, which JSON ignores, so that no proxy takes the connection
for dead.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any

from brushwork_schemas.errors import JobNotFound, ServiceUnreachable, TooManyStreams
from brushwork_schemas.job import Job
from fastapi import Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.request_guard import received_at
from brushwork.gateway.bodies.prefer import preferred_wait_s
from brushwork.gateway.services import Services

BLANK_EVERY_S = 15.0


def answer_at_end(
    prefer: str | None,
    job: Job,
    services: Services,
    principal: Principal,
    request: Request,
    response: Response,
    shown: Callable[[Job], BaseModel],
) -> Response | None:
    """Return an answer that waits for the end of a job; None if none is preferred, or the job has ended.

    Args:
        prefer: The header `Prefer`.
        job: The job that was accepted.
        services: Services of the gateway.
        principal: Who has submitted the job.
        request: The request.
        response: Its status and headers are those of the answer.
        shown: Returns what the caller gets of the job.
    """
    longest_s = services.settings.answer_within_s
    seconds = preferred_wait_s(prefer, longest_s)
    if not seconds:
        return None
    if not job.is_finished:
        try:
            services.stream_limit.check(principal.stream_tenant)
        except TooManyStreams:
            return None
    response.headers["Preference-Applied"] = f"wait={seconds}"
    if job.is_finished:
        return None
    until = min(time.monotonic() + seconds, received_at(request) + longest_s)

    async def body() -> str:
        with suppress(TooManyStreams), services.stream_limit.opened(principal.stream_tenant):
            await services.watch.ended(job.id, max(0.0, until - time.monotonic()))
        now = job
        # The job is accepted, and the answer has begun, whatever happens now.
        with suppress(ServiceUnreachable, JobNotFound):
            now = await run_in_threadpool(services.client.get, job.id)
        return shown(now).model_dump_json()

    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    # nginx would hold back the head until there is a body.
    headers["X-Accel-Buffering"] = "no"
    return StreamingResponse(
        _with_blanks(body()), response.status_code or 201, headers, media_type="application/json"
    )


async def _with_blanks(body: Coroutine[Any, Any, str]) -> AsyncIterator[str]:
    waiting = asyncio.ensure_future(body)
    try:
        while not (await asyncio.wait({waiting}, timeout=BLANK_EVERY_S))[0]:
            yield " "
        yield waiting.result()
    finally:
        # The caller has left, if the wait has not ended.
        waiting.cancel()
