"""Watching jobs: one look for all, watchers that come and go, a database that is away for a while."""

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager

import pytest
from brushwork.gateway.watching import watcher as watching
from brushwork.gateway.watching.watcher import Watch, Watcher
from brushwork_core.database.database import Database
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex, JobStatus
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState

from tests.jobs import begun, new_job, result_of, said

pytestmark = pytest.mark.one_database("its one question is of JobIndex and Wire, which are tested on both")

BOUND_S = 20.0


class Eyes(JobIndex):
    """A ledger that counts looks, and that can be away."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.looks: list[tuple[str, ...]] = []
        self.is_away = threading.Event()

    def states(self, job_ids: Collection[str]) -> dict[str, JobStatus]:
        self.looks.append(tuple(job_ids))
        if self.is_away.is_set():
            raise ServiceUnreachable("The database does not answer.")
        return super().states(job_ids)


@pytest.fixture
def eyes(database: Database) -> Eyes:
    return Eyes(database)


@pytest.fixture
def watch(database: Database, eyes: Eyes) -> Watch:
    return Watch(eyes, JobSignals(database))


def run(scene: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(BOUND_S):
            await scene

    asyncio.run(bounded())


@asynccontextmanager
async def closing(watch: Watch) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await watch.close()


async def seen(watcher: Watcher, state: JobState, step: int = 0) -> JobStatus:
    while watcher.status is None or (watcher.status.state, watcher.status.progress.step) != (
        state,
        step,
    ):
        await watcher.changed()
    return watcher.status


async def nobody_looks(watch: Watch) -> None:
    while watch.is_polling:
        await asyncio.sleep(0)


def test_a_watcher_sees_where_a_job_stands_and_each_move(
    database: Database, ledger: Ledger, watch: Watch
) -> None:
    ledger.submit([new_job("a")])

    async def scene() -> None:
        async with closing(watch):
            with watch.watching("a") as watcher:
                assert (await seen(watcher, JobState.QUEUED)).attempt == 0
                fence = begun(ledger, "a")
                assert (await seen(watcher, JobState.RUNNING)).fence == fence
                assert said(database, "a", fence, 3, 12)
                assert (await seen(watcher, JobState.RUNNING, 3)).progress.total == 12
                assert not watcher.is_over
                ledger.complete("a", fence, result_of(1))
                await seen(watcher, JobState.SUCCEEDED, 12)
                assert watcher.is_over

    run(scene())


def test_all_watched_jobs_are_one_question_and_none_is_asked_when_nobody_watches(
    ledger: Ledger, watch: Watch, eyes: Eyes
) -> None:
    ids = [f"job-{index}" for index in range(20)]
    ledger.submit([new_job(job_id) for job_id in ids])

    async def scene() -> None:
        async with closing(watch):
            assert not watch.is_polling
            ends = [asyncio.create_task(watch.ended(job_id, BOUND_S)) for job_id in ids for _ in range(2)]
            while not eyes.looks:
                await asyncio.sleep(0)
            assert sorted(eyes.looks[0]) == sorted(ids)
            assert watch.num_watchers == 40
            for job_id in ids:
                ledger.cancel(job_id)
            assert all(await asyncio.gather(*ends))
            assert watch.num_watchers == 0
            await nobody_looks(watch)
            num_looks = len(eyes.looks)
            # The next one starts it again.
            assert await watch.ended(ids[0], BOUND_S)
            assert len(eyes.looks) == num_looks + 1

    run(scene())


def test_watchers_stay_while_the_database_is_away_and_go_on_when_it_is_back(
    ledger: Ledger,
    watch: Watch,
    eyes: Eyes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watching, "RETRY_EVERY_S", 0.001)
    ledger.submit([new_job("a")])

    async def scene() -> None:
        async with closing(watch):
            with watch.watching("a") as watcher:
                await seen(watcher, JobState.QUEUED)
                eyes.is_away.set()
                ledger.cancel("a")
                num_looks = len(eyes.looks)
                while len(eyes.looks) < num_looks + 5:
                    await asyncio.sleep(0)
                assert not watcher.is_over
                eyes.is_away.clear()
                await seen(watcher, JobState.CANCELED)

    run(scene())
    assert caplog.text.count("Cannot read the status of watched jobs") == 1


def test_a_bug_in_one_look_leaves_nobody_without_news(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrong(Eyes):
        def states(self, job_ids: Collection[str]) -> dict[str, JobStatus]:
            if not self.looks:
                self.looks.append(())
                raise ZeroDivisionError
            return super().states(job_ids)

    monkeypatch.setattr(watching, "RETRY_EVERY_S", 0.001)
    watch = Watch(Wrong(database), JobSignals(database))
    ledger.submit([new_job("a")])
    ledger.cancel("a")

    async def scene() -> None:
        async with closing(watch):
            assert await watch.ended("a", BOUND_S)

    run(scene())
    assert "ZeroDivisionError" in caplog.text


def test_a_wait_ends_with_its_time_its_caller_or_the_gateway(ledger: Ledger, watch: Watch) -> None:
    ledger.submit([new_job("a")])

    async def has_left() -> bool:
        return True

    async def scene() -> None:
        async with closing(watch):
            assert not await watch.ended("a", 0.01)
            assert not await watch.ended("a", 2 * BOUND_S, has_left=has_left)
            waiting = asyncio.create_task(watch.ended("a", 2 * BOUND_S))
            while not watch.num_watchers:
                await asyncio.sleep(0)
            watch.end_all()
            assert not await waiting
            assert not await watch.ended("a", 2 * BOUND_S)
            assert watch.num_watchers == 0

    run(scene())


def test_a_job_that_is_removed_lets_its_watchers_go(watch: Watch) -> None:
    async def scene() -> None:
        async with closing(watch):
            with watch.watching("nowhere") as watcher:
                assert await watcher.changed(BOUND_S)
                assert watcher.is_stopped
                assert watcher.status is None

    run(scene())


def test_previews_are_asked_for_only_when_somebody_wants_them(
    database: Database, ledger: Ledger, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PREVIEW_EVERY_S", 0.0)
    job_signals = JobSignals(database)
    ledger.submit([new_job("a"), new_job("b")])
    fences = {job_id: begun(ledger, job_id) for job_id in ("a", "b")}
    picture = Preview(jpeg=b"\xff\xd8", step=2, total=4)

    async def scene() -> None:
        async with closing(watch):
            with (
                watch.watching("a", previews=True) as looks,
                watch.watching("a") as does_not,
                watch.watching("b"),
            ):
                while not job_signals.signals("w"):
                    await asyncio.sleep(0)
                assert list(job_signals.signals("w")) == [("a", fences["a"])]
                job_signals.report_progress(
                    [
                        ProgressReport(
                            "a", fences["a"], Progress(step=picture.step, total=picture.total), picture
                        )
                    ]
                )
                while looks.preview is None:
                    await looks.changed()
                assert looks.preview == picture
                assert does_not.preview is None

    run(scene())
