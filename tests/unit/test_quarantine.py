"""The gate: many together or one alone, and nobody waits for ever."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import brushwork_workers.execution.exclusive_gate as quarantine_module
import pytest
from brushwork_workers.execution.exclusive_gate import ExclusiveGate

from tests.servers import wait_until

BOUND_S = 10.0


class Visit:
    """A thread inside, or before the gate; it leaves when told."""

    def __init__(self, threads: ThreadPoolExecutor, gate: AbstractContextManager[None]) -> None:
        self._leave = threading.Event()
        self.inside = threading.Event()
        self._done: Future[None] = threads.submit(self._visit, gate)

    def _visit(self, gate: AbstractContextManager[None]) -> None:
        with gate:
            self.inside.set()
            assert self._leave.wait(BOUND_S)

    def enters(self) -> bool:
        return self.inside.wait(BOUND_S)

    def leave(self) -> None:
        self._leave.set()
        self._done.result(BOUND_S)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits to be alone looks for its own signals after this time."""
    monkeypatch.setattr(quarantine_module, "CHECK_EVERY_S", 0.02)


@pytest.fixture
def exclusive_gate() -> ExclusiveGate:
    return ExclusiveGate()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def together(exclusive_gate: ExclusiveGate, threads: ThreadPoolExecutor) -> Callable[[], Visit]:
    def enter() -> Visit:
        exclusive_gate.admit(1)
        return Visit(threads, _left(exclusive_gate, alone=False))

    return enter


@pytest.fixture
def alone(exclusive_gate: ExclusiveGate, threads: ThreadPoolExecutor) -> Callable[[], Visit]:
    def enter() -> Visit:
        looked = threading.Event()
        exclusive_gate.admit(0, 1)
        visit = Visit(threads, _alone(exclusive_gate, looked.set))
        wait_until(lambda: visit.inside.is_set() or looked.is_set())
        return visit

    return enter


@contextmanager
def _left(gate: ExclusiveGate, *, alone: bool) -> Iterator[None]:
    """As the executor: who was admitted leaves at the end, however that comes."""
    try:
        yield
    finally:
        gate.leave(alone=alone)


@contextmanager
def _alone(gate: ExclusiveGate, check: Callable[[], None]) -> Iterator[None]:
    with _left(gate, alone=True), gate.exclusive(check):
        yield


def test_many_are_together(together: Callable[[], Visit]) -> None:
    visits = [together() for _ in range(4)]
    assert all(visit.enters() for visit in visits)
    for visit in visits:
        visit.leave()


def test_one_alone_waits_until_all_have_left(
    together: Callable[[], Visit], alone: Callable[[], Visit]
) -> None:
    first, second = together(), together()
    assert first.enters()
    assert second.enters()
    single = alone()
    first.leave()
    assert not single.inside.is_set()
    second.leave()
    assert single.enters()
    single.leave()


def test_from_the_claim_of_one_alone_to_its_end_the_gate_is_closed(
    exclusive_gate: ExclusiveGate, together: Callable[[], Visit], alone: Callable[[], Visit]
) -> None:
    """So that no other job is claimed: see `WorkerProcess._may_claim`."""
    first = together()
    assert first.enters()
    assert not exclusive_gate.is_closed
    single = alone()
    assert (exclusive_gate.is_closed, exclusive_gate.has_exclusive_waiter) == (True, True)
    first.leave()
    assert single.enters()
    assert (exclusive_gate.is_closed, exclusive_gate.has_exclusive_waiter) == (True, False)
    single.leave()
    assert not exclusive_gate.is_closed


def test_those_of_one_claim_run_before_the_one_alone(
    exclusive_gate: ExclusiveGate, threads: ThreadPoolExecutor
) -> None:
    exclusive_gate.admit(2, 1)
    looked = threading.Event()
    single = Visit(threads, _alone(exclusive_gate, looked.set))
    assert looked.wait(BOUND_S)
    others = [Visit(threads, _left(exclusive_gate, alone=False)) for _ in range(2)]
    for other in others:
        assert other.enters()
        assert not single.inside.is_set()
        other.leave()
    assert single.enters()
    single.leave()


def test_two_alone_take_turns(alone: Callable[[], Visit]) -> None:
    first = alone()
    assert first.enters()
    second = alone()
    assert not second.inside.is_set()
    first.leave()
    assert second.enters()
    second.leave()


def test_who_is_told_to_stop_waits_no_longer_and_holds_up_nobody(
    exclusive_gate: ExclusiveGate, together: Callable[[], Visit]
) -> None:
    def stop() -> None:
        raise InterruptedError

    first = together()
    assert first.enters()
    exclusive_gate.admit(0, 1)
    with pytest.raises(InterruptedError), _alone(exclusive_gate, stop):
        pytest.fail("it went in")
    assert not exclusive_gate.is_closed
    second = together()
    assert second.enters()
    first.leave()
    second.leave()


@pytest.mark.parametrize("is_alone", [False, True])
def test_who_fails_inside_has_left(
    exclusive_gate: ExclusiveGate, is_alone: bool, alone: Callable[[], Visit]
) -> None:
    exclusive_gate.admit(not is_alone, is_alone)
    gate = _alone(exclusive_gate, lambda: None) if is_alone else _left(exclusive_gate, alone=False)
    with pytest.raises(KeyError), gate:
        raise KeyError
    single = alone()
    assert single.enters()
    single.leave()
