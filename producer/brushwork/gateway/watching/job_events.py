"""What is told of one job while it is watched, as server-sent events."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from brushwork_core.queries.job_index import JobStatus
from brushwork_schemas.errors import JobNotFound, ServiceUnreachable
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from brushwork.gateway.watching.job_view import JobView
from brushwork.gateway.watching.watcher import LOOK_AGAIN_S, Watch, Watcher

PING_EVERY_S = 15
# A receiver that takes nothing for so long is gone, whatever TCP thinks.
SEND_TIMEOUT_S = 30
# Then the caller connects anew, with its key, and misses nothing.
LONGEST_S = 3600.0
# A key that was revoked or has expired sees no more than this much longer.
ASK_KEY_EVERY_S = 10.0
ReadJob = Callable[[], Awaitable[JobView]]
MayStay = Callable[[], Awaitable[bool]]


class EventStream(EventSourceResponse):
    """The answer that goes on until the job has ended, its reader has left, or the gateway stops.

    Args:
        events: What to tell.
        headers: What dependencies have said.
        seat: Taken for as long as it goes on; a refusal is the answer then.
    """

    def __init__(
        self,
        events: AsyncIterator[ServerSentEvent],
        headers: Mapping[str, str],
        seat: AbstractContextManager[None],
    ) -> None:
        self._seat = seat
        super().__init__(
            events,
            headers=headers,
            ping=PING_EVERY_S,
            sep="\n",
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            send_timeout=SEND_TIMEOUT_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a reader that takes nothing is let go without a word."""
        with self._seat, suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class Beginning:
    """A job as a stream finds it. `standing` was read before `job`, so that nothing falls in between."""

    standing: JobStatus
    job: JobView

    def is_known_by(self, last_event_id: str | None) -> bool:
        """Whether the reader has seen this already."""
        return last_event_id == event_id(self.standing)


def event_id(standing: JobStatus) -> str:
    """Names where a job stands; an equal one means that nothing was missed."""
    return f"{standing.fence}.{standing.progress.step}.{standing.state.value}"


async def told(
    beginning: Beginning,
    watch: Watch,
    read: ReadJob,
    may_stay: MayStay,
    *,
    last_event_id: str | None,
    previews: bool,
) -> AsyncIterator[ServerSentEvent]:
    """The events of a job, from now to its end.

    Args:
        beginning: The job as it is.
        watch: Tells of changes.
        read: Gives the job anew.
        may_stay: Whether the reader's key still opens this.
        last_event_id: What the reader saw last.
        previews: Whether it is to see previews.
    """
    seen = beginning.standing
    if seen.state.is_terminal:
        # Without an id: only who has seen the end itself is to be told that there is nothing more.
        yield _event("snapshot", beginning.job.model_dump_json())
        yield _event("end", beginning.job.model_dump_json(), seen)
        return
    with watch.on(beginning.job.id, previews=previews) as watcher:
        if not beginning.is_known_by(last_event_id):
            yield _event("snapshot", beginning.job.model_dump_json(), seen)
        async for event in _changes(watcher, seen, may_stay):
            yield event
        if watcher.standing is not None and (job := await _ended(watcher, read)) is not None:
            yield _event("end", job.model_dump_json(), watcher.standing)


async def _changes(watcher: Watcher, seen: JobStatus, may_stay: MayStay) -> AsyncIterator[ServerSentEvent]:
    shown, until = None, time.monotonic() + LONGEST_S
    ask_key_at = time.monotonic() + ASK_KEY_EVERY_S
    while not watcher.is_over and (left_s := until - time.monotonic()) > 0:
        await watcher.news(min(left_s, max(0.0, ask_key_at - time.monotonic())))
        if time.monotonic() >= ask_key_at:
            if not await may_stay():
                watcher.let_go()
                return
            ask_key_at = time.monotonic() + ASK_KEY_EVERY_S
        now = watcher.standing or seen
        for event in _moves(seen, now):
            yield event
        seen = now
        if watcher.preview is not None and watcher.preview is not shown:
            shown = watcher.preview
            yield _event("preview", _shown(shown), now)


def _moves(seen: JobStatus, now: JobStatus) -> Iterator[ServerSentEvent]:
    if now.state.is_terminal:
        return
    if (now.state, now.fence) != (seen.state, seen.fence):
        yield _event("state", json.dumps({"state": now.state, "attempt": now.attempt}), now)
    if now.state is JobState.RUNNING and now.progress != seen.progress and now.progress.total:
        yield _event("progress", now.progress.model_dump_json(), now)


async def _ended(watcher: Watcher, read: ReadJob) -> JobView | None:
    """The job at its end; None where it was removed since, or has not ended."""
    while watcher.is_over and not watcher.is_let_go:
        try:
            return await read()
        except JobNotFound:
            return None
        except ServiceUnreachable:
            await asyncio.sleep(LOOK_AGAIN_S)
    return None


def _shown(preview: Preview) -> str:
    image = "data:image/jpeg;base64," + b64encode(preview.jpeg).decode()
    return json.dumps({"step": preview.step, "total": preview.total, "image": image})


def _event(name: str, data: str, standing: JobStatus | None = None) -> ServerSentEvent:
    return ServerSentEvent(data, event=name, id=event_id(standing) if standing else None, sep="\n")
