"""The threads of a worker: never more jobs than threads, and no wake, job or thread is lost."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from brushwork_core.ledger import Claim, Claims
from brushwork_workers.dispatch.job_pool import JobPool

from tests.servers import wait_until

BOUND_S = 10.0


def claim_of(job_id: str) -> Claim:
    return Claim(job_id, "text-to-image", "m", {}, fence=1, attempt=1, queued_s=0.0)


class Backlog:
    """Jobs that wait; `before` is called in each claim, before it takes any."""

    def __init__(self, *job_ids: str, says_more: bool = True) -> None:
        self.waiting = deque(job_ids)
        self.limits: list[int] = []
        self.before: Callable[[], object] = lambda: None
        self._says_more = says_more
        self._claiming = threading.Lock()

    def claim(self, limit: int) -> Claims:
        assert self._claiming.acquire(blocking=False), "two threads claim at once"
        try:
            self.limits.append(limit)
            self.before()
            found = [self.waiting.popleft() for _ in range(min(limit, len(self.waiting)))]
            return Claims(tuple(map(claim_of, found)), more=self._says_more and len(found) == limit)
        finally:
            self._claiming.release()


class Jobs:
    """The jobs that run; each ends when it may."""

    def __init__(self, *, may_end: bool = True) -> None:
        self.may_end = threading.Event()
        if may_end:
            self.may_end.set()
        self.running: set[str] = set()
        self.ended: list[str] = []
        self.groups: list[tuple[str, ...]] = []
        self.most_at_once = 0
        self._changing = threading.Lock()

    def run(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        names = [claim.job_id for claim in claims]
        with self._changing:
            assert self.running.isdisjoint(names)
            self.running.update(names)
            self.groups.append(tuple(names))
            self.most_at_once = max(self.most_at_once, len(self.running))
        assert self.may_end.wait(BOUND_S)
        with self._changing:
            self.running.difference_update(names)
            self.ended += names
        return ()


@contextmanager
def started(pool: JobPool, jobs: Jobs | None = None) -> Iterator[JobPool]:
    pool.start()
    try:
        yield pool
    finally:
        if jobs is not None:
            jobs.may_end.set()
        pool.stop()
        pool.join()


@pytest.mark.parametrize("size", [1, 2, 7])
def test_there_are_never_more_jobs_at_once_than_threads(size: int) -> None:
    names = [f"job-{number}" for number in range(60)]
    backlog, jobs = Backlog(*names), Jobs(may_end=False)
    with started(JobPool(size, backlog.claim, jobs.run), jobs):
        wait_until(lambda: len(jobs.running) == size)
        jobs.may_end.set()
        wait_until(lambda: len(jobs.ended) == len(names))
    assert Counter(jobs.ended) == Counter(names)
    assert jobs.most_at_once == size
    assert max(backlog.limits) <= size


def test_a_claim_is_for_all_that_have_no_job_and_for_no_others() -> None:
    backlog, jobs = Backlog("a", "b"), Jobs(may_end=False)
    with started(JobPool(3, backlog.claim, jobs.run), jobs) as pool:
        wait_until(lambda: len(jobs.running) == 2 and pool._num_free == 1 and not pool._is_wanted)
        before = len(backlog.limits)
        backlog.waiting.append("c")
        pool.wake()
        wait_until(lambda: len(jobs.running) == 3)
        assert backlog.limits[before:] == [1]


def test_room_is_what_no_job_has() -> None:
    backlog, jobs = Backlog("a"), Jobs(may_end=False)
    pool = JobPool(2, backlog.claim, jobs.run)
    assert not pool.has_room, "before it has begun"
    with started(pool, jobs):
        wait_until(lambda: jobs.running == {"a"} and pool.has_room)
        backlog.waiting.append("b")
        pool.wake()
        wait_until(lambda: len(jobs.running) == 2)
        assert not pool.has_room
        jobs.may_end.set()
        wait_until(lambda: pool.has_room)


def test_a_wake_during_a_claim_is_not_lost() -> None:
    """The claim has looked already, and does not see the new job."""
    backlog, jobs = Backlog(), Jobs()
    is_claiming, may_go_on = threading.Event(), threading.Event()

    def claim(limit: int) -> Claims:
        claims = backlog.claim(limit)
        is_claiming.set()
        assert may_go_on.wait(BOUND_S)
        return claims

    with started(JobPool(2, claim, jobs.run)) as pool:
        assert is_claiming.wait(BOUND_S)
        backlog.waiting.append("new")
        pool.wake()
        may_go_on.set()
        wait_until(lambda: jobs.ended == ["new"])


def test_a_wake_while_all_have_jobs_is_not_lost() -> None:
    backlog, jobs = Backlog("a", says_more=False), Jobs(may_end=False)
    with started(JobPool(1, backlog.claim, jobs.run), jobs) as pool:
        wait_until(lambda: jobs.running == {"a"})
        backlog.waiting.append("b")
        pool.wake()
        jobs.may_end.set()
        wait_until(lambda: jobs.ended == ["a", "b"])


def test_without_a_wake_nobody_looks() -> None:
    backlog, jobs = Backlog(says_more=False), Jobs()
    with started(JobPool(2, backlog.claim, jobs.run)) as pool:
        wait_until(lambda: backlog.limits and pool._num_free == 2)
        backlog.waiting.append("a")
        assert (len(backlog.limits), jobs.ended) == (1, [])
        pool.wake()
        wait_until(lambda: jobs.ended == ["a"])


def test_a_claim_that_fails_does_not_end_the_pool(caplog: pytest.LogCaptureFixture) -> None:
    backlog, jobs = Backlog("a"), Jobs()
    failures = [KeyError("first"), MemoryError("second")]

    def fail() -> None:
        if failures:
            raise failures.pop()

    backlog.before = fail
    with started(JobPool(1, backlog.claim, jobs.run)) as pool:
        wait_until(lambda: len(failures) == 1)
        pool.wake()
        wait_until(lambda: not failures)
        pool.wake()
        wait_until(lambda: jobs.ended == ["a"])
    assert "Jobs could not be claimed" in caplog.text


def test_a_job_that_fails_does_not_end_its_thread() -> None:
    backlog, ended = Backlog("bad", "good"), list[str]()

    def run(claims: Sequence[Claim]) -> Sequence[Claim]:
        ended.append(claims[0].job_id)
        if claims[0].job_id == "bad":
            raise KeyError("bad")
        return ()

    with started(JobPool(1, backlog.claim, run)):
        wait_until(lambda: ended == ["bad", "good"])


def test_nothing_is_claimed_while_it_may_not_be() -> None:
    asked, may = threading.Semaphore(0), [False]

    def may_claim() -> bool:
        asked.release()
        return may[0]

    backlog, jobs = Backlog("a"), Jobs()
    with started(JobPool(2, backlog.claim, jobs.run, may_claim=may_claim)) as pool:
        assert asked.acquire(timeout=BOUND_S)
        pool.wake()
        # Each thread has asked, also after the wake, and waits now.
        wait_until(lambda: pool._num_free == 2)
        assert asked.acquire(timeout=BOUND_S)
        assert (backlog.limits, jobs.ended) == ([], [])
        may[0] = True
        pool.wake()
        wait_until(lambda: jobs.ended == ["a"])


def test_room_is_told_once_it_is_there_again() -> None:
    backlog, jobs = Backlog("a", "b"), Jobs(may_end=False)
    told: list[int] = []
    pool = JobPool(2, backlog.claim, jobs.run)
    pool.on_room = lambda: told.append(len(jobs.ended))
    with started(pool, jobs):
        wait_until(lambda: len(jobs.running) == 2)
        del told[:]
        jobs.may_end.set()
        wait_until(lambda: len(jobs.ended) == 2 and pool._num_free == 2)
        assert told, "the worker may take messages again"
        del told[:]
        backlog.waiting.append("c")
        pool.wake()
        wait_until(lambda: len(jobs.ended) == 3 and pool._num_free == 2)
        assert told == [], "there was room all the time"


def in_pairs(claims: Sequence[Claim]) -> Sequence[Sequence[Claim]]:
    return [claims[first : first + 2] for first in range(0, len(claims), 2)]


class TestGroups:
    def test_room_is_counted_in_jobs(self) -> None:
        backlog, jobs = Backlog(*"abcdefg"), Jobs(may_end=False)
        may_claim = threading.Event()
        made = JobPool(4, backlog.claim, jobs.run, divided=in_pairs, may_claim=may_claim.is_set)
        with started(made, jobs) as pool:
            # All are free, so that one claims for all.
            wait_until(lambda: pool._num_free == 4)
            may_claim.set()
            pool.wake()
            wait_until(lambda: len(jobs.running) == 4)
            assert not pool.has_room
            pool.wake()
            jobs.may_end.set()
            wait_until(lambda: sorted(jobs.ended) == list("abcdefg"))
        assert jobs.most_at_once == 4
        assert set(jobs.groups[:2]) == {("a", "b"), ("c", "d")}

    def test_jobs_that_were_not_begun_run_one_by_one_in_other_threads(self) -> None:
        backlog, jobs = Backlog("a", "b", "c"), Jobs(may_end=False)

        def run(claims: Sequence[Claim]) -> Sequence[Claim]:
            if len(claims) > 1:
                return claims[1:]
            return jobs.run(claims)

        all_together: list[tuple[Claim, ...]] = []

        def divided(claims: Sequence[Claim]) -> Sequence[Sequence[Claim]]:
            all_together.append(tuple(claims))
            return [claims] if claims else []

        may_claim = threading.Event()
        made = JobPool(3, backlog.claim, run, divided=divided, may_claim=may_claim.is_set)
        with started(made, jobs) as pool:
            wait_until(lambda: pool._num_free == 3)
            may_claim.set()
            pool.wake()
            wait_until(lambda: jobs.running == {"b", "c"})
            assert pool.has_room
        assert jobs.most_at_once == 2
        assert [claim.job_id for claim in all_together[0]] == ["a", "b", "c"]


class TestStop:
    def test_no_job_is_claimed_any_more_and_those_that_run_end(self) -> None:
        backlog, jobs = Backlog("a"), Jobs(may_end=False)
        pool = JobPool(2, backlog.claim, jobs.run)
        pool.start()
        wait_until(lambda: jobs.running == {"a"})
        pool.stop()
        backlog.waiting.append("late")
        pool.wake()
        joining = threading.Thread(target=pool.join)
        joining.start()
        wait_until(lambda: sum(thread.is_alive() for thread in pool._threads) == 1)
        assert joining.is_alive()
        jobs.may_end.set()
        joining.join(BOUND_S)
        assert not joining.is_alive()
        assert (jobs.ended, list(backlog.waiting)) == (["a"], ["late"])

    def test_jobs_of_a_claim_that_was_under_way_run_side_by_side(self) -> None:
        """They are claimed for all threads, so none of these may end before."""
        size = 3
        side_by_side = threading.Barrier(size)
        is_claiming, may_go_on = threading.Event(), threading.Event()
        ended: list[str] = []

        def claim(limit: int) -> Claims:
            is_claiming.set()
            assert may_go_on.wait(BOUND_S)
            return Claims(tuple(claim_of(name) for name in "abc"[:limit]))

        def run(claims: Sequence[Claim]) -> Sequence[Claim]:
            side_by_side.wait(BOUND_S)
            ended.extend(claim.job_id for claim in claims)
            return ()

        may_claim = threading.Event()
        pool = JobPool(size, claim, run, may_claim=may_claim.is_set)
        pool.start()
        # All are free, so that one claims for all.
        wait_until(lambda: pool._num_free == size)
        may_claim.set()
        pool.wake()
        assert is_claiming.wait(BOUND_S)
        pool.stop()
        may_go_on.set()
        pool.join()
        assert sorted(ended) == ["a", "b", "c"]

    def test_a_pool_that_never_began_can_be_stopped(self) -> None:
        pool = JobPool(2, Backlog("a").claim, Jobs().run)
        pool.stop()
        pool.join()
