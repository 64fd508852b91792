"""Watching jobs: one look at the ledger for all that are watched, ten times a second while any is."""

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
LOOK_EVERY_S = 0.1
# While the database is away.
LOOK_AGAIN_S = 1.0
PREVIEW_EVERY_S = 0.5
STILL_THERE_EVERY_S = 1.0
_Answer = TypeVar("_Answer")


class Watcher:
    """Somebody who watches one job.

    It holds the newest that is known and no queue of what came before, so that one who is slow costs no
    memory.

    Args:
        previews: Whether it wants to see previews; nobody makes any that nobody wants.
    """

    def __init__(self, *, previews: bool = False) -> None:
        self.wants_previews = previews
        self.standing: JobStatus | None = None
        self.preview: Preview | None = None
        self.is_let_go = False
        self._news = asyncio.Event()

    async def news(self, timeout_s: float | None = None) -> bool:
        """Wait until something has changed; False where nothing has in that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        is_new = self._news.is_set()
        self._news.clear()
        return is_new

    def tell(self, standing: JobStatus | None) -> None:
        """Where the job stands now; None where it is gone."""
        if standing is None:
            self.let_go()
        elif standing != self.standing:
            self.standing = standing
            self._news.set()

    def show(self, preview: Preview) -> None:
        """What the job looks like now."""
        if self.wants_previews and preview != self.preview:
            self.preview = preview
            self._news.set()

    def let_go(self) -> None:
        """There will be no more news: the job was removed, or the gateway stops."""
        self.is_let_go = True
        self._news.set()

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.is_let_go or (self.standing is not None and self.standing.state.is_terminal)


class Watch:
    """Everybody who watches a job, in one process. All of it lives in the event loop; only looks leave it.

    Args:
        index: Asked where jobs stand.
        job_signals: Asked for previews.
    """

    def __init__(self, index: JobIndex, job_signals: JobSignals) -> None:
        self._index = index
        self._job_signals = job_signals
        self._watchers: dict[str, set[Watcher]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._is_closing = False
        self._previews_at = 0.0
        self._is_away = False

    @property
    def num_watchers(self) -> int:
        """How many watch now."""
        return sum(len(watchers) for watchers in self._watchers.values())

    @property
    def is_looking(self) -> bool:
        """Whether the ledger is asked: only while somebody watches."""
        return self._looking is not None

    def standing(self, job_id: str) -> JobStatus | None:
        """Where a job stands now, by a look of its own; None where there is none of that id."""
        return self._index.states([job_id]).get(job_id)

    @contextmanager
    def on(self, job_id: str, *, previews: bool = False) -> Iterator[Watcher]:
        """Watch a job; its first news is where it stands."""
        watcher = Watcher(previews=previews)
        watcher.is_let_go = self._is_closing
        self._watchers.setdefault(job_id, set()).add(watcher)
        if self._looking is None and not self._is_closing:
            self._looking = asyncio.create_task(self._look_again_and_again())
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
        """Wait for a job's end: what `Prefer: wait=SECONDS` asks for. No thread waits with it.

        For `async def` routes: make sure first that the caller may see the job and that it has not ended,
        pass `has_left=request.is_disconnected`, then read the job, whatever this says. All of it but the
        reading is `prefer.wait_as_preferred`.

        Args:
            job_id: Which job.
            timeout_s: How long.
            has_left: Asked every second whether the caller has hung up; then nobody waits any more.

        Returns:
            Whether it has ended. False at once where the gateway stops.
        """
        until = time.monotonic() + timeout_s
        with self.on(job_id) as watcher:
            while not watcher.is_over and (left_s := until - time.monotonic()) > 0:
                await watcher.news(min(left_s, STILL_THERE_EVERY_S))
                if has_left is not None and await has_left():
                    break
            return watcher.standing is not None and watcher.standing.state.is_terminal

    def let_go(self) -> None:
        """End every stream and every wait, and those that begin from now on: the gateway stops."""
        self._is_closing = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.let_go()

    async def close(self) -> None:
        """Let everybody go, and look no more."""
        self.let_go()
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look_again_and_again(self) -> None:
        # A thread of its own: requests that wait for a slow database must not keep it from looking.
        own = CapacityLimiter(1)
        try:
            while self._watchers and not self._is_closing:
                await asyncio.sleep(LOOK_EVERY_S if await self._has_looked(own) else LOOK_AGAIN_S)
        finally:
            self._looking = None

    async def _has_looked(self, own: CapacityLimiter) -> bool:
        try:
            await self._look(own)
        except Exception as error:  # the watchers stay, whatever one look has met
            if not self._is_away:
                expected = isinstance(error, BrushworkError)
                LOGGER.warning("Nobody sees how jobs stand: %s", error, exc_info=not expected)
            self._is_away = True
            return False
        self._is_away = False
        return True

    async def _look(self, own: CapacityLimiter) -> None:
        watched = list(self._watchers)
        standings = await _asked(own, self._index.states, watched)
        for job_id in watched:
            for watcher in self._watchers.get(job_id, ()):
                watcher.tell(standings.get(job_id))
        if time.monotonic() >= self._previews_at:
            await self._look_at_previews(own, standings)
            self._previews_at = time.monotonic() + PREVIEW_EVERY_S

    async def _look_at_previews(self, own: CapacityLimiter, standings: dict[str, JobStatus]) -> None:
        wanted = [
            job_id
            for job_id, watchers in self._watchers.items()
            if job_id in standings
            and standings[job_id].state is JobState.RUNNING
            and any(watcher.wants_previews for watcher in watchers)
        ]
        if not wanted:
            return
        for job_id, preview in (await _asked(own, self._previews, wanted)).items():
            for watcher in self._watchers.get(job_id, ()):
                watcher.show(preview)

    def _previews(self, job_ids: Sequence[str]) -> dict[str, Preview]:
        found = {}
        for job_id in job_ids:
            with suppress(JobNotFound):
                if (preview := self._job_signals.preview(job_id)) is not None:
                    found[job_id] = preview
        return found


async def _asked(
    own: CapacityLimiter, ask: Callable[[Sequence[str]], _Answer], job_ids: Sequence[str]
) -> _Answer:
    # A database that does not answer must not hold up the end of the gateway.
    return await to_thread.run_sync(ask, job_ids, limiter=own, abandon_on_cancel=True)
