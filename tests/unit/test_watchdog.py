"""What counts as hung."""

import subprocess
import sys
from collections.abc import Sequence

import pytest
from brushwork_core.ledger import Claim
from brushwork_core.settings.stall_bounds import StallBounds
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.supervision.watchdog import Watchdog

STALL_S = 600.0
SLOW, SLOW_STALL_S = "slow", 900.0


class StillHold(Attempt):
    """A job that has not moved for as long as the test says."""

    def __init__(self, job_id: str, idle_s: float, kind: str = "k") -> None:
        super().__init__(Claim(job_id, kind, "m", {}, fence=1, attempt=1, queued_s=0.0))
        self._idle_s = idle_s

    @property
    def idle_s(self) -> float:
        return self._idle_s


@pytest.fixture
def told() -> list[Sequence[Attempt]]:
    return []


def watch(told: list[Sequence[Attempt]], *attempts: Attempt) -> Watchdog:
    # Its timer outside of Python is never to run out in here.
    bounds = StallBounds(STALL_S, {SLOW: SLOW_STALL_S})
    return Watchdog(lambda: list(attempts), stall_s=bounds, frozen_s=3600, on_stall=told.append)


def test_jobs_that_move_are_left_alone(told: list[Sequence[Attempt]]) -> None:
    watchdog = watch(told, StillHold("a", 0.0), StillHold("b", STALL_S - 1))
    watchdog.check()
    watchdog.close()
    assert (watchdog.stalled(), told) == ([], [])


def test_the_one_that_idle_still_is_named(
    told: list[Sequence[Attempt]], capfd: pytest.CaptureFixture[str]
) -> None:
    still = StillHold("still", STALL_S + 1)
    watchdog = watch(told, StillHold("moves", 1.0), still)
    watchdog.check()
    watchdog.close()
    assert told == [[still]]


def test_each_kind_has_its_own_bound(told: list[Sequence[Attempt]]) -> None:
    patient, impatient = StillHold("patient", SLOW_STALL_S - 1, SLOW), StillHold("impatient", STALL_S + 1)
    assert watch(told, patient).stalled() == []
    assert watch(told, impatient).stalled() == [impatient]
    hung = StillHold("hung", SLOW_STALL_S + 1, SLOW)
    assert watch(told, hung).stalled() == [hung]


def test_who_may_wait_for_a_slow_kind_s_call_is_as_patient(told: list[Sequence[Attempt]]) -> None:
    waits, calls = StillHold("waits", STALL_S + 1), StillHold("calls", STALL_S + 1, SLOW)
    assert watch(told, waits, calls).stalled() == []


def test_a_slow_kind_that_moves_is_nobody_s_excuse(told: list[Sequence[Attempt]]) -> None:
    hung, moves = StillHold("hung", STALL_S + 1), StillHold("moves", 0.0, SLOW)
    assert watch(told, hung, moves).stalled() == [hung]


def test_a_job_moves_whenever_it_is_asked_whether_it_goes_on() -> None:
    attempt = Attempt(Claim("a", "k", "m", {}, fence=1, attempt=1, queued_s=0.0))
    attempt._active_at -= STALL_S
    assert attempt.idle_s > STALL_S - 1
    attempt.check()
    assert attempt.idle_s < STALL_S / 2


def test_a_process_in_which_no_python_runs_ends_itself() -> None:
    code = (
        "import sys; from brushwork_workers.supervision.watchdog import Watchdog;"
        "from brushwork_core.settings.stall_bounds import StallBounds;"
        "Watchdog(list, stall_s=StallBounds(9), frozen_s=0.2, on_stall=print).check();"
        # One long step in C, which keeps Python's lock.
        "sum(range(10 ** 13))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr


def test_a_process_that_stood_still_ends_although_its_timer_was_restarted(
    told: list[Sequence[Attempt]], capfd: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    bounds = StallBounds(STALL_S, {})
    watchdog = Watchdog(list, stall_s=bounds, frozen_s=3600, on_stall=told.append, clock=lambda: now[0])
    watchdog.check()
    now[0] += 3600
    watchdog.check()
    assert told == []
    now[0] += 3601
    watchdog.check()
    watchdog.close()
    assert told == [[]]
