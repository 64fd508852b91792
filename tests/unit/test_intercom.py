"""What the intercom asks and says, counted; the statements themselves are tested on real databases."""

from collections.abc import Sequence
from typing import Any

from brushwork_core.fleet.job_signals import Attempt, Report, Wish
from brushwork_core.ledger import Claim, Signal
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_workers.execution.attempt import Hold
from brushwork_workers.supervision.progress_sync import Intercom

STOP = Wish(stop=True, preview=False)


class FakeWire:
    """Takes down every call; hears all but the `deaf`."""

    def __init__(self) -> None:
        self.asked = 0
        self.told: list[list[tuple[str, int]]] = []
        self.wanted: dict[Attempt, Wish] = {}
        self.shown: list[bytes] = []
        self.deaf: set[str] = set()
        self.away = False

    def wishes(self, worker: str) -> dict[Attempt, Wish]:
        self.asked += 1
        if self.away:
            raise ServiceUnreachable("away")
        return self.wanted

    def tell(self, reports: Sequence[Report]) -> set[Attempt]:
        if self.away:
            raise ServiceUnreachable("away")
        if reports:
            self.told.append([(report.job_id, report.progress.step) for report in reports])
            self.shown += [report.preview.jpeg for report in reports if report.preview]
        return {(report.job_id, report.fence) for report in reports if report.job_id not in self.deaf}


def hold(job_id: str, deadline_ms: int | None = None) -> Hold:
    return Hold(Claim(job_id, "k", "m", {}, fence=1, attempt=1, queued_s=0.0, deadline_ms=deadline_ms))


def intercom(wire: Any, *holds: Hold) -> Intercom:
    return Intercom(wire, "w", lambda: list(holds))


def step(number: int) -> Progress:
    return Progress(step=number, total=9)


def test_without_jobs_nobody_is_asked() -> None:
    wire = FakeWire()
    idle = intercom(wire)
    idle.listen()
    idle.speak()
    assert (wire.asked, wire.told) == (0, [])


def test_only_the_job_that_is_asked_to_stop_is_told() -> None:
    wire, one, other = FakeWire(), hold("one"), hold("other")
    wire.wanted = dict.fromkeys([("one", 1), ("other", 2), ("third", 1)], STOP)
    intercom(wire, one, other).listen()
    assert (wire.asked, one.signal, other.signal) == (1, Signal.CANCEL, Signal.GO_ON)


def test_a_job_whose_deadline_has_passed_is_told_so() -> None:
    wire = FakeWire()
    late, early, withdrawn = hold("late", 0), hold("early", 3_600_000), hold("withdrawn", 0)
    wire.wanted = {("withdrawn", 1): STOP}
    intercom(wire, late, early, withdrawn).listen()
    assert [one.signal for one in (late, early, withdrawn)] == [Signal.EXPIRE, Signal.GO_ON, Signal.CANCEL]


def test_a_job_is_watched_as_long_as_somebody_looks() -> None:
    wire, one, other = FakeWire(), hold("one"), hold("other")
    listening = intercom(wire, one, other)
    wire.wanted = {("one", 1): Wish(stop=False, preview=True)}
    listening.listen()
    assert (one.is_watched, other.is_watched, one.signal) == (True, False, Signal.GO_ON)
    wire.wanted = {}
    listening.listen()
    assert one.is_watched is False


def test_a_preview_is_sent_once() -> None:
    wire, one = FakeWire(), hold("one")
    speaking = intercom(wire, one)
    for number, shows in ((1, True), (2, False), (3, True)):
        one.progress = step(number)
        if shows:
            one.preview = Preview(jpeg=bytes([number]), step=number, total=9)
        speaking.speak()
    assert wire.shown == [b"\1", b"\3"]
    assert wire.told == [[("one", 1)], [("one", 2)], [("one", 3)]]


def test_only_what_is_new_is_said_and_only_the_latest_of_it() -> None:
    wire, one, other = FakeWire(), hold("one"), hold("other")
    speaking = intercom(wire, one, other)
    one.progress = step(1)
    one.progress = step(2)
    speaking.speak()
    speaking.speak()
    one.progress, other.progress = step(3), step(1)
    speaking.speak()
    assert wire.told == [[("one", 2)], [("one", 3), ("other", 1)]]


def test_what_was_not_heard_is_said_again() -> None:
    wire, one, other = FakeWire(), hold("one"), hold("other")
    speaking = intercom(wire, one, other)
    wire.deaf = {"one"}
    one.progress, other.progress = step(1), step(1)
    speaking.speak()
    wire.deaf = set()
    speaking.speak()
    assert wire.told == [[("one", 1), ("other", 1)], [("one", 1)]]


def test_a_database_that_is_away_is_asked_again() -> None:
    wire, one = FakeWire(), hold("one")
    speaking = intercom(wire, one)
    wire.wanted, wire.away, one.progress = {("one", 1): STOP}, True, step(1)
    speaking.listen()
    speaking.speak()
    assert (one.signal, wire.told) == (Signal.GO_ON, [])
    wire.away = False
    speaking.listen()
    speaking.speak()
    assert (one.signal, wire.told) == (Signal.CANCEL, [[("one", 1)]])
