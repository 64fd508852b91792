"""What the intercom asks and says, counted; the statements themselves are tested on real databases."""

from collections.abc import Sequence
from typing import Any

from brushwork_core.fleet.job_signals import AttemptKey, JobSignal, ProgressReport
from brushwork_core.ledger import Claim, Signal
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.supervision.progress_sync import ProgressSync

STOP = JobSignal(stop=True, preview=False)


class FakeWire:
    """Takes down every call; hears all but the `deaf`."""

    def __init__(self) -> None:
        self.asked = 0
        self.told: list[list[tuple[str, int]]] = []
        self.wanted: dict[AttemptKey, JobSignal] = {}
        self.shown: list[bytes] = []
        self.deaf: set[str] = set()
        self.away = False

    def signals(self, worker: str) -> dict[AttemptKey, JobSignal]:
        self.asked += 1
        if self.away:
            raise ServiceUnreachable("away")
        return self.wanted

    def report_progress(self, reports: Sequence[ProgressReport]) -> set[AttemptKey]:
        if self.away:
            raise ServiceUnreachable("away")
        if reports:
            self.told.append([(report.job_id, report.progress.step) for report in reports])
            self.shown += [report.preview.jpeg for report in reports if report.preview]
        return {(report.job_id, report.fence) for report in reports if report.job_id not in self.deaf}


def attempt(job_id: str, deadline_ms: int | None = None) -> Attempt:
    return Attempt(Claim(job_id, "k", "m", {}, fence=1, attempt=1, queued_s=0.0, deadline_ms=deadline_ms))


def progress_sync(job_signals: Any, *attempts: Attempt) -> ProgressSync:
    return ProgressSync(job_signals, "w", lambda: list(attempts))


def step(number: int) -> Progress:
    return Progress(step=number, total=9)


def test_without_jobs_nobody_is_asked() -> None:
    job_signals = FakeWire()
    idle = progress_sync(job_signals)
    idle.receive()
    idle.report()
    assert (job_signals.asked, job_signals.told) == (0, [])


def test_only_the_job_that_is_asked_to_stop_is_told() -> None:
    job_signals, one, other = FakeWire(), attempt("one"), attempt("other")
    job_signals.wanted = dict.fromkeys([("one", 1), ("other", 2), ("third", 1)], STOP)
    progress_sync(job_signals, one, other).receive()
    assert (job_signals.asked, one.signal, other.signal) == (1, Signal.CANCEL, Signal.GO_ON)


def test_a_job_whose_deadline_has_passed_is_told_so() -> None:
    job_signals = FakeWire()
    late, early, withdrawn = attempt("late", 0), attempt("early", 3_600_000), attempt("withdrawn", 0)
    job_signals.wanted = {("withdrawn", 1): STOP}
    progress_sync(job_signals, late, early, withdrawn).receive()
    assert [one.signal for one in (late, early, withdrawn)] == [Signal.EXPIRE, Signal.GO_ON, Signal.CANCEL]


def test_a_job_is_watched_as_long_as_somebody_looks() -> None:
    job_signals, one, other = FakeWire(), attempt("one"), attempt("other")
    listening = progress_sync(job_signals, one, other)
    job_signals.wanted = {("one", 1): JobSignal(stop=False, preview=True)}
    listening.receive()
    assert (one.is_watched, other.is_watched, one.signal) == (True, False, Signal.GO_ON)
    job_signals.wanted = {}
    listening.receive()
    assert one.is_watched is False


def test_a_preview_is_sent_once() -> None:
    job_signals, one = FakeWire(), attempt("one")
    speaking = progress_sync(job_signals, one)
    for number, shows in ((1, True), (2, False), (3, True)):
        one.progress = step(number)
        if shows:
            one.preview = Preview(jpeg=bytes([number]), step=number, total=9)
        speaking.report()
    assert job_signals.shown == [b"\1", b"\3"]
    assert job_signals.told == [[("one", 1)], [("one", 2)], [("one", 3)]]


def test_only_what_is_new_is_said_and_only_the_latest_of_it() -> None:
    job_signals, one, other = FakeWire(), attempt("one"), attempt("other")
    speaking = progress_sync(job_signals, one, other)
    one.progress = step(1)
    one.progress = step(2)
    speaking.report()
    speaking.report()
    one.progress, other.progress = step(3), step(1)
    speaking.report()
    assert job_signals.told == [[("one", 2)], [("one", 3), ("other", 1)]]


def test_what_was_not_heard_is_said_again() -> None:
    job_signals, one, other = FakeWire(), attempt("one"), attempt("other")
    speaking = progress_sync(job_signals, one, other)
    job_signals.deaf = {"one"}
    one.progress, other.progress = step(1), step(1)
    speaking.report()
    job_signals.deaf = set()
    speaking.report()
    assert job_signals.told == [[("one", 1), ("other", 1)], [("one", 1)]]


def test_a_database_that_is_away_is_asked_again() -> None:
    job_signals, one = FakeWire(), attempt("one")
    speaking = progress_sync(job_signals, one)
    job_signals.wanted, job_signals.away, one.progress = {("one", 1): STOP}, True, step(1)
    speaking.receive()
    speaking.report()
    assert (one.signal, job_signals.told) == (Signal.GO_ON, [])
    job_signals.away = False
    speaking.receive()
    speaking.report()
    assert (one.signal, job_signals.told) == (Signal.CANCEL, [[("one", 1)]])
