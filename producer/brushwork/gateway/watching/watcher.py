"""Watch jobs: one query ten times a second for all watched jobs together, none while no job is watched."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.queries.job_index import JobIndex, JobStatus
from brushwork_schemas.errors import BrushworkError, JobNotFound
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState

LOGGER = logging.getLogger(__name__)
POLL_EVERY_S = 0.1
# While the database does not answer.
RETRY_EVERY_S = 1.0
PREVIEW_EVERY_S = 0.5
CHECK_CALLER_EVERY_S = 1.0
_Answer = TypeVar("_Answer")


class Watcher:
    """One watcher of one job.

    It holds only the newest status and preview, so a slow reader needs no more memory than a fast one.

    Args:
        previews: Whether it wants previews. Workers make previews only if a watcher wants them.
    """

    def __init__(self, *, previews: bool = False) -> None:
        self.wants_previews = previews
        self.status: JobStatus | None = None
        self.preview: Preview | None = None
        self.is_stopped = False
        self._changed = asyncio.Event()

    async def changed(self, timeout_s: float | None = None) -> bool:
        """Wait for a change; return False if there is none within `timeout_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        has_changed = self._changed.is_set()
        self._changed.clear()
        return has_changed

    def set_status(self, status: JobStatus | None) -> None:
        """Set the newest status of the job; None if the job was removed."""
        if status is None:
            self.stop()
        elif status != self.status:
            self.status = status
            self._changed.set()

    def set_preview(self, preview: Preview) -> None:
        """Set the newest preview of the job."""
        if self.wants_previews and preview != self.preview:
            self.preview = preview
            self._changed.set()

    def stop(self) -> None:
        """Mark that no change will follow, because the job was removed or the gateway stops."""
        self.is_stopped = True
        self._changed.set()

    @property
    def is_over(self) -> bool:
        """Whether no change will follow."""
        return self.is_stopped or (self.status is not None and self.status.state.is_terminal)


class Watch:
    """All watchers of a process. It lives in the event loop; only its queries run in a thread.

    Args:
        index: Reads the status of jobs.
        job_signals: Reads previews.
    """

    def __init__(self, index: JobIndex, job_signals: JobSignals) -> None:
        self._index = index
        self._job_signals = job_signals
        self._watchers: dict[str, set[Watcher]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._is_closing = False
        self._previews_due_at = 0.0
        self._is_database_away = False

    @property
    def num_watchers(self) -> int:
        """Number of watchers now."""
        return sum(len(watchers) for watchers in self._watchers.values())

    @property
    def is_polling(self) -> bool:
        """Whether the database is polled, which is so only while a job is watched."""
        return self._polling is not None

    def status(self, job_id: str) -> JobStatus | None:
        """Read the status of a job at once; None if there is no such job."""
        return self._index.states([job_id]).get(job_id)

    @contextmanager
    def watching(self, job_id: str, *, previews: bool = False) -> Iterator[Watcher]:
        """Watch a job inside the `with` block. The first change is its status."""
        watcher = Watcher(previews=previews)
        watcher.is_stopped = self._is_closing
        self._watchers.setdefault(job_id, set()).add(watcher)
        if self._polling is None and not self._is_closing:
            self._polling = asyncio.create_task(self._poll_repeatedly())
        try:
            yield watcher
        finally:
            others = self._watchers[job_id]
            others.discard(watcher)
            if not others:
                del self._watchers[job_id]

    async def ended(
        self, job_id: str, timeout_s: float, *, has_left: Callable[[], Awaitable[bool]] | None = None
    ) -> bool:
        """Wait for the end of a job without holding a thread. `Prefer: wait=SECONDS` uses it.

        Check before that the caller may see the job. Read the job afterwards, whatever this returns.

        Args:
            job_id: Id of the job.
            timeout_s: Longest wait in seconds.
            has_left: Returns whether the caller has disconnected. It is called every second, and ends the
                wait. Pass `request.is_disconnected`.

        Returns:
            Whether the job has ended. False at once if the gateway stops.
        """
        until = time.monotonic() + timeout_s
        with self.watching(job_id) as watcher:
            while not watcher.is_over and (left_s := until - time.monotonic()) > 0:
                await watcher.changed(min(left_s, CHECK_CALLER_EVERY_S))
                if has_left is not None and await has_left():
                    break
            return watcher.status is not None and watcher.status.state.is_terminal

    def end_all(self) -> None:
        """End all streams and waits, also those that begin from now on, because the gateway stops."""
        self._is_closing = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.stop()

    async def close(self) -> None:
        """End all streams and waits, and stop polling."""
        self.end_all()
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling

    async def _poll_repeatedly(self) -> None:
        # A thread of its own: requests that wait for a slow database must not use up the threads.
        limiter = CapacityLimiter(1)
        try:
            while self._watchers and not self._is_closing:
                await asyncio.sleep(POLL_EVERY_S if await self._has_polled(limiter) else RETRY_EVERY_S)
        finally:
            self._polling = None

    async def _has_polled(self, limiter: CapacityLimiter) -> bool:
        try:
            await self._poll(limiter)
        # Watchers go on after any error.
        except Exception as error:
            if not self._is_database_away:
                is_expected = isinstance(error, BrushworkError)
                LOGGER.warning("Cannot read the status of watched jobs: %s", error, exc_info=not is_expected)
            self._is_database_away = True
            return False
        self._is_database_away = False
        return True

    async def _poll(self, limiter: CapacityLimiter) -> None:
        watched = list(self._watchers)
        found = await _in_thread(limiter, self._index.states, watched)
        for job_id in watched:
            for watcher in self._watchers.get(job_id, ()):
                watcher.set_status(found.get(job_id))
        if time.monotonic() >= self._previews_due_at:
            await self._poll_previews(limiter, found)
            self._previews_due_at = time.monotonic() + PREVIEW_EVERY_S

    async def _poll_previews(self, limiter: CapacityLimiter, found: dict[str, JobStatus]) -> None:
        wanted = [
            job_id
            for job_id, watchers in self._watchers.items()
            if job_id in found
            and found[job_id].state is JobState.RUNNING
            and any(watcher.wants_previews for watcher in watchers)
        ]
        if not wanted:
            return
        for job_id, preview in (await _in_thread(limiter, self._previews, wanted)).items():
            for watcher in self._watchers.get(job_id, ()):
                watcher.set_preview(preview)

    def _previews(self, job_ids: Sequence[str]) -> dict[str, Preview]:
        found = {}
        for job_id in job_ids:
            with suppress(JobNotFound):
                if (preview := self._job_signals.preview(job_id)) is not None:
                    found[job_id] = preview
        return found


async def _in_thread(
    limiter: CapacityLimiter, query: Callable[[Sequence[str]], _Answer], job_ids: Sequence[str]
) -> _Answer:
    # Abandoned at the end: a database that does not answer must not delay the stop of the gateway.
    return await to_thread.run_sync(query, job_ids, limiter=limiter, abandon_on_cancel=True)
