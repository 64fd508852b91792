"""The gate: many together or one alone, and nobody waits for ever."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

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
    return lambda: Visit(threads, exclusive_gate.shared())


@pytest.fixture
def alone(exclusive_gate: ExclusiveGate, threads: ThreadPoolExecutor) -> Callable[[], Visit]:
    def enter() -> Visit:
        looked = threading.Event()
        before = exclusive_gate._num_waiting_exclusive
        visit = Visit(threads, exclusive_gate.exclusive(looked.set))
        wait_until(lambda: visit.inside.is_set() or exclusive_gate._num_waiting_exclusive > before)
        return visit

    return enter


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


def test_while_one_waits_nobody_else_is_let_in(
    together: Callable[[], Visit], alone: Callable[[], Visit]
) -> None:
    first = together()
    assert first.enters()
    single, late = alone(), together()
    first.leave()
    assert single.enters()
    assert not late.inside.is_set()
    single.leave()
    assert late.enters()
    late.leave()


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
    with pytest.raises(InterruptedError), exclusive_gate.exclusive(stop):
        pytest.fail("it went in")
    second = together()
    assert second.enters()
    first.leave()
    second.leave()


@pytest.mark.parametrize("manner", ["together", "alone"])
def test_who_fails_inside_has_left(
    exclusive_gate: ExclusiveGate, manner: str, alone: Callable[[], Visit]
) -> None:
    gates = {"together": exclusive_gate.shared, "alone": lambda: exclusive_gate.exclusive(lambda: None)}
    with pytest.raises(KeyError), gates[manner]():
        raise KeyError
    single = alone()
    assert single.enters()
    single.leave()
