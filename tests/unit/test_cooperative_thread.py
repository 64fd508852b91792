"""Functions that take turns in one thread."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
import torch
from brushwork_workers.batching import call_groups
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.cooperative_thread import CooperativeThread, wait_for
from brushwork_workers.batching.stats import BatchStats

from tests.gathering import TERMS
from tests.stops import Going, Stopped, Switch

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


@pytest.fixture
def thread() -> Iterator[CooperativeThread]:
    made = CooperativeThread("turns")
    yield made
    made.close()


def at_once(*functions: Callable[[], Any]) -> list[Future[Any]]:
    """Each called in a thread of its own; all have ended."""
    with ThreadPoolExecutor(len(functions)) as callers:
        return [callers.submit(function) for function in functions]


def test_others_go_on_while_one_waits(thread: CooperativeThread) -> None:
    answer: Future[int] = Future()
    ids = set()

    def waits() -> int:
        ids.add(threading.get_ident())
        return wait_for(answer)

    def answers() -> None:
        ids.add(threading.get_ident())
        answer.set_result(7)

    first, _ = at_once(lambda: thread.run(waits), lambda: thread.run(answers))
    assert first.result() == 7
    assert len(ids) == 1
    assert threading.get_ident() not in ids


def test_an_error_reaches_its_caller_only(thread: CooperativeThread) -> None:
    answer: Future[int] = Future()

    def fails() -> None:
        answer.set_result(1)
        raise SystemExit("of this one")

    good, bad = at_once(lambda: thread.run(lambda: wait_for(answer)), lambda: thread.run(fails))
    assert good.result() == 1
    assert isinstance(bad.exception(), SystemExit)


def test_each_has_the_context_variables_of_its_caller(thread: CooperativeThread) -> None:
    answer: Future[None] = Future()

    def named(name: str, act: Callable[[], Any]) -> str:
        def inside() -> str:
            act()
            return NAME.get()

        NAME.set(name)
        return thread.run(inside)

    one, other = at_once(
        lambda: named("one", lambda: wait_for(answer)),
        lambda: named("other", lambda: answer.set_result(None)),
    )
    assert (one.result(), other.result()) == ("one", "other")


def test_the_gradient_mode_of_one_is_not_that_of_another(thread: CooperativeThread) -> None:
    first, second = Future[None](), Future[None]()

    def without_gradients() -> bool:
        with torch.no_grad():
            wait_for(first)
            second.set_result(None)
            return torch.is_grad_enabled()

    def with_gradients() -> tuple[bool, bool]:
        before = torch.is_grad_enabled()
        first.set_result(None)
        wait_for(second)
        return before, torch.is_grad_enabled()

    one, other = at_once(lambda: thread.run(without_gradients), lambda: thread.run(with_gradients))
    assert one.result() is False
    assert other.result() == (True, True)


def test_one_inside_another_runs_at_once(thread: CooperativeThread) -> None:
    assert thread.run(lambda: thread.run(lambda: 3)) == 3


def test_a_closed_thread_says_so() -> None:
    thread = CooperativeThread("turns")
    thread.close()
    with pytest.raises(RuntimeError, match="closed"):
        thread.run(lambda: 3)


def test_it_tells_when_all_wait() -> None:
    answer: Future[int] = Future()
    idle = threading.Event()
    thread = CooperativeThread("turns", idle.set)
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(lambda: thread.run(lambda: wait_for(answer)))
        assert idle.wait(30)
        answer.set_result(5)
        assert waiting.result(30) == 5
    thread.close()


NUM_JOBS, NUM_STEPS = 16, 5


def loop(calls: Batcher, number: int) -> float:
    """A job of several calls, as a pipeline makes them."""
    with calls.job(Going(), model="loop"):
        return calls.run(lambda: _steps(calls, number))


def _steps(calls: Batcher, number: int) -> float:
    value = torch.full((1, 1), float(number))
    for _ in range(NUM_STEPS):
        value = calls.call(TERMS, torch.add, value, 1.0)
    return float(value)


def test_jobs_that_step_together_share_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """They arrive while the device is busy; however slow they are, no batch is a part of them."""
    monkeypatch.setattr(call_groups, "SHORTEST_TIMEOUT_OF_RUNNING_S", 60.0)
    monkeypatch.setattr(call_groups, "LONGEST_TIMEOUT_OF_RUNNING_S", 60.0)
    runs: list[BatchStats] = []
    calls = Batcher(64, 10**9, runs.append, is_cooperative=True)
    busy, go_on = threading.Event(), threading.Event()

    def slow(value: torch.Tensor) -> torch.Tensor:
        busy.set()
        assert go_on.wait(30)
        return value

    with ThreadPoolExecutor(NUM_JOBS + 1) as threads:
        first = threads.submit(calls.call, TERMS, slow, torch.ones(1, 1))
        assert busy.wait(30)
        jobs = [threads.submit(loop, calls, number) for number in range(NUM_JOBS)]
        while len(calls._pending) < NUM_JOBS + 1:
            threading.Event().wait(0.001)
        go_on.set()
        first.result(30)
        assert [job.result(30) for job in jobs] == [float(number + NUM_STEPS) for number in range(NUM_JOBS)]
    calls.close()
    assert [len(ran.batch.calls) for ran in runs] == [1] + [NUM_JOBS] * NUM_STEPS


def test_a_stop_reaches_a_job_that_waits_in_turn() -> None:
    calls = Batcher(64, 10**9, is_cooperative=True)
    busy, go_on, stop = threading.Event(), threading.Event(), Switch()

    def slow(value: torch.Tensor) -> torch.Tensor:
        busy.set()
        assert go_on.wait(30)
        return value

    def job(switch: Any, function: Callable[..., Any]) -> Any:
        with calls.job(switch):
            return calls.run(lambda: calls.call(TERMS, function, torch.ones(1, 4)))

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(job, Going(), slow)
        assert busy.wait(30)
        second = threads.submit(job, stop, torch.neg)
        while len(calls._pending) < 2:
            threading.Event().wait(0.001)
        stop.stop()
        assert isinstance(second.exception(timeout=30), Stopped)
        go_on.set()
        assert torch.equal(first.result(timeout=30), torch.ones(1, 4))
    calls.close()


def test_jobs_that_wait_in_turn_when_it_closes_are_canceled() -> None:
    calls = Batcher(64, 10**9, is_cooperative=True)
    busy, go_on = threading.Event(), threading.Event()

    def slow(value: torch.Tensor) -> torch.Tensor:
        busy.set()
        assert go_on.wait(30)
        return value

    def job(function: Callable[..., Any]) -> Any:
        with calls.job(Going()):
            return calls.run(lambda: calls.call(TERMS, function, torch.ones(1, 4)))

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(job, slow)
        assert busy.wait(30)
        second = threads.submit(job, torch.neg)
        while len(calls._pending) < 2:
            threading.Event().wait(0.001)
        closing = threads.submit(calls.close)
        while not calls._is_closed:
            threading.Event().wait(0.001)
        go_on.set()
        closing.result(timeout=30)
        assert torch.equal(first.result(timeout=30), torch.ones(1, 4))
        assert isinstance(second.exception(timeout=30), CancelledError)
