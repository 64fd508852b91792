"""How a running job is told to stop."""

import threading

import pytest
from brushwork_core.ledger import Claim, Signal
from brushwork_schemas.errors import JobStopped
from brushwork_workers.execution.attempt import Hold


@pytest.fixture
def hold() -> Hold:
    return Hold(Claim(job_id="a", kind="k", model="m", request={}, fence=3, attempt=1, queued_s=0.0))


def test_a_job_goes_on_until_it_is_told(hold: Hold) -> None:
    hold.hear(Signal.GO_ON)
    hold.check()
    hold.hear(Signal.CANCEL)
    with pytest.raises(JobStopped, match="a was told: cancel"):
        hold.check()


def test_the_first_word_stands(hold: Hold) -> None:
    for signal in (Signal.LOST, Signal.CANCEL, Signal.GO_ON):
        hold.hear(signal)
    assert hold.signal is Signal.LOST


def test_whoever_waits_is_told_once(hold: Hold) -> None:
    told: list[str] = []
    hold.on_stop(lambda: told.append("first"))
    hold.on_stop(lambda: told.append("second"))
    hold.hear(Signal.GO_ON)
    assert told == []
    hold.hear(Signal.CANCEL)
    hold.hear(Signal.LOST)
    assert told == ["first", "second"]
    hold.on_stop(lambda: told.append("late"))
    assert told == ["first", "second", "late"]


def test_one_who_fails_keeps_no_other_from_being_told(hold: Hold, caplog: pytest.LogCaptureFixture) -> None:
    told = threading.Event()
    hold.on_stop(lambda: [][0])
    hold.on_stop(told.set)
    hold.hear(Signal.CANCEL)
    assert told.is_set()
    assert "could not be told" in caplog.text


def test_being_told_may_ask_the_hold(hold: Hold) -> None:
    """No lock is held meanwhile."""
    told: list[Signal] = []
    hold.on_stop(lambda: hold.on_stop(lambda: told.append(hold.signal)))
    hold.hear(Signal.CANCEL)
    assert told == [Signal.CANCEL]
