"""The server-sent events of a job."""

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
from brushwork.gateway.watching.watcher import RETRY_EVERY_S, Watch, Watcher

PING_EVERY_S = 15
# `EventSource` connects again after so many milliseconds; by default browsers wait for several seconds.
RETRY_MS = 1000
# A receiver that reads nothing for so long has left, whatever TCP says.
SEND_TIMEOUT_S = 30
# After this time the client connects again, with its API key. It misses no event.
LONGEST_S = 3600.0
# A stream of a revoked or expired key ends within this time.
CHECK_KEY_EVERY_S = 10.0
ReadJob = Callable[[], Awaitable[JobView]]
IsAllowed = Callable[[], Awaitable[bool]]


class EventStream(EventSourceResponse):
    """A response that ends when the job has ended, the reader has left, or the gateway stops.

    Args:
        events: The events.
        headers: Headers of the response.
        slot: Entered for as long as the response is sent. If it raises, the error is the answer.
    """

    def __init__(
        self,
        events: AsyncIterator[ServerSentEvent],
        headers: Mapping[str, str],
        slot: AbstractContextManager[None],
    ) -> None:
        self._slot = slot
        super().__init__(
            events,
            headers=headers,
            ping=PING_EVERY_S,
            sep="\n",
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            send_timeout=SEND_TIMEOUT_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. If the reader does not read, the connection is closed silently."""
        with self._slot, suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class StreamStart:
    """A job at the start of its stream.

    Args:
        status: Status of the job. It is read before `job`, so that no change is missed.
        job: The job.
    """

    status: JobStatus
    job: JobView

    def is_known_by(self, last_event_id: str | None) -> bool:
        """Return whether a reader with this `Last-Event-ID` has seen the status."""
        return last_event_id == event_id(self.status)


def event_id(status: JobStatus) -> str:
    """Return the id of an event. Two equal ids mean that nothing has changed in between."""
    return f"{status.fence}.{status.progress.step}.{status.state.value}"


async def job_events(
    start: StreamStart,
    watch: Watch,
    read: ReadJob,
    is_allowed: IsAllowed,
    *,
    last_event_id: str | None,
    previews: bool,
) -> AsyncIterator[ServerSentEvent]:
    """Yield the events of a job until it has ended.

    Args:
        start: The job now.
        watch: Watches the job.
        read: Reads the job again.
        is_allowed: Returns whether the API key of the reader is still valid.
        last_event_id: Id of the last event that the reader has seen.
        previews: Whether to send previews.
    """
    seen = start.status
    if seen.state.is_terminal:
        # Without an id: only a reader that has seen `end` itself gets status 204 next time.
        yield _event("snapshot", start.job.model_dump_json(), retry_ms=RETRY_MS)
        yield _event("end", start.job.model_dump_json(), seen)
        return
    with watch.watching(start.job.id, previews=previews) as watcher:
        if not start.is_known_by(last_event_id):
            yield _event("snapshot", start.job.model_dump_json(), seen, retry_ms=RETRY_MS)
        async for event in _changes(watcher, seen, is_allowed):
            yield event
        if watcher.status is not None and (job := await _ended(watcher, read)) is not None:
            yield _event("end", job.model_dump_json(), watcher.status)


async def _changes(
    watcher: Watcher, seen: JobStatus, is_allowed: IsAllowed
) -> AsyncIterator[ServerSentEvent]:
    sent, until = None, time.monotonic() + LONGEST_S
    check_key_at = time.monotonic() + CHECK_KEY_EVERY_S
    while not watcher.is_over and (left_s := until - time.monotonic()) > 0:
        await watcher.changed(min(left_s, max(0.0, check_key_at - time.monotonic())))
        if time.monotonic() >= check_key_at:
            if not await is_allowed():
                watcher.stop()
                return
            check_key_at = time.monotonic() + CHECK_KEY_EVERY_S
        now = watcher.status or seen
        for event in _differences(seen, now):
            yield event
        seen = now
        if watcher.preview is not None and watcher.preview is not sent:
            sent = watcher.preview
            yield _event("preview", _preview_data(sent), now)


def _differences(seen: JobStatus, now: JobStatus) -> Iterator[ServerSentEvent]:
    if now.state.is_terminal:
        return
    if (now.state, now.fence) != (seen.state, seen.fence):
        yield _event("state", json.dumps({"state": now.state, "attempt": now.attempt}), now)
    if now.state is JobState.RUNNING and now.progress != seen.progress and now.progress.total:
        yield _event("progress", now.progress.model_dump_json(), now)


async def _ended(watcher: Watcher, read: ReadJob) -> JobView | None:
    """Return the job at its end; None if it was removed since, or has not ended."""
    while watcher.is_over and not watcher.is_stopped:
        try:
            return await read()
        except JobNotFound:
            return None
        except ServiceUnreachable:
            await asyncio.sleep(RETRY_EVERY_S)
    return None


def _preview_data(preview: Preview) -> str:
    image = "data:image/jpeg;base64," + b64encode(preview.jpeg).decode()
    return json.dumps({"step": preview.step, "total": preview.total, "image": image})


def _event(
    name: str, data: str, status: JobStatus | None = None, *, retry_ms: int | None = None
) -> ServerSentEvent:
    event_id_of = event_id(status) if status else None
    return ServerSentEvent(data, event=name, id=event_id_of, retry=retry_ms, sep="\n")
