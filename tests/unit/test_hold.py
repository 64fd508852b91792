"""How a running job is told to stop."""

import threading

import pytest
from brushwork_core.ledger import Claim, Signal
from brushwork_schemas.errors import JobStopped
from brushwork_workers.execution.attempt import Attempt


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(Claim(job_id="a", kind="k", model="m", request={}, fence=3, attempt=1, queued_s=0.0))


def test_a_job_goes_on_until_it_is_told(attempt: Attempt) -> None:
    attempt.receive(Signal.GO_ON)
    attempt.check()
    attempt.receive(Signal.CANCEL)
    with pytest.raises(JobStopped, match="a must stop: cancel"):
        attempt.check()


def test_the_first_word_stands(attempt: Attempt) -> None:
    for signal in (Signal.LOST, Signal.CANCEL, Signal.GO_ON):
        attempt.receive(signal)
    assert attempt.signal is Signal.LOST


def test_whoever_waits_is_told_once(attempt: Attempt) -> None:
    told: list[str] = []
    attempt.on_stop(lambda: told.append("first"))
    attempt.on_stop(lambda: told.append("second"))
    attempt.receive(Signal.GO_ON)
    assert told == []
    attempt.receive(Signal.CANCEL)
    attempt.receive(Signal.LOST)
    assert told == ["first", "second"]
    attempt.on_stop(lambda: told.append("late"))
    assert told == ["first", "second", "late"]


def test_one_who_fails_keeps_no_other_from_being_told(
    attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    told = threading.Event()
    attempt.on_stop(lambda: [][0])
    attempt.on_stop(told.set)
    attempt.receive(Signal.CANCEL)
    assert told.is_set()
    assert "a stop callback failed" in caplog.text


def test_being_told_may_ask_the_hold(attempt: Attempt) -> None:
    """No lock is held meanwhile."""
    told: list[Signal] = []
    attempt.on_stop(lambda: attempt.on_stop(lambda: told.append(attempt.signal)))
    attempt.receive(Signal.CANCEL)
    assert told == [Signal.CANCEL]
