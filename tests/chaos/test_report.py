"""The figures of the fault suite: who waited how long, what holds, and the table that is made of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.findings import Finding, findings_of, kept_in
from tests.chaos.history import RESULT, Move
from tests.chaos.invariants import Verdict
from tests.chaos.plan import FAULTS, Outcome, Plan, Run
from tests.chaos.recovery import Disruption, Wait, waits
from tests.chaos.report import line, percentile, rows, summary, write

HIT = Disruption(at_ms=1000, mark="/7-")


def moves(*states: tuple[int, str, int], worker: str = "w0@here/7-ab") -> Sequence[Move]:
    return [Move(at_ms, "a", state, fence, None, worker) for at_ms, state, fence in states]


QUEUED, RUNNING = (0, "queued", 0), (500, "running", 1)
AGAIN = (
    QUEUED,
    RUNNING,
    (1400, "queued", 2),
    (3000, "running", 3),
    (3500, RESULT, 3),
    (3501, "succeeded", 3),
)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (moves(*AGAIN), [Wait(0.4, 2.0)]),
        (moves(QUEUED, RUNNING, (1300, RESULT, 1), (1301, "succeeded", 1)), [Wait(0.301, 0.301)]),
        (moves(*AGAIN, worker="w1@here/77-ab"), []),
        (moves(QUEUED, RUNNING, (900, "succeeded", 1)), []),
        (moves(QUEUED, RUNNING), []),
    ],
    ids=["taken again", "ended", "of another worker", "ended before", "lost"],
)
def test_a_wait_begins_when_the_worker_is_hit(history: Sequence[Move], expected: list[Wait]) -> None:
    assert waits({"a": history}, [HIT]) == expected


def test_an_attempt_that_is_hit_twice_waits_once() -> None:
    assert waits({"a": moves(*AGAIN)}, [HIT, Disruption(1200, "/7-")]) == [Wait(0.4, 2.0)]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1, 100.0)])
def test_percentiles_are_among_the_measured(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def plan(*outcomes: Outcome, runs: Sequence[Run] = ()) -> Plan:
    made = Plan()
    made.outcomes += outcomes
    made.done += runs
    return made


def test_a_fault_holds_if_all_of_its_tests_have_passed() -> None:
    found = findings_of(
        plan(
            Outcome("F02", "second", passed=True),
            Outcome("F01", "first", passed=True),
            Outcome("F02", "other", passed=False),
            Outcome("F02", "second", passed=True),
        )
    )
    assert [(one.fault, one.title, one.attempts) for one in found] == [
        ("F01", "first", True),
        ("F02", "second; other", False),
    ]
    assert summary(found, FAULTS, 2.5).startswith("1 of 25 hold. Not shown: F02, F03,")
    assert summary(found, ["F01"], 2.5) == "1 of 1 hold."


ONE = Verdict(10, 0, 0, [], given_back_s=[0.5], recoveries_s=[1.0, 3.0], kills=2, settled_s=4.0)
OTHER = Verdict(5, 1, 0, ["lost: a"], given_back_s=[], recoveries_s=[2.0], kills=1)


def test_a_run_of_one_fault_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    old = [Finding("F01", "kill", True, [OTHER]), Finding("F07", "flush", True, [OTHER])]
    for finding in old:
        finding.save(tmp_path)
    new = Finding("F07", "flush", False, [ONE, ONE])
    new.save(tmp_path)
    assert kept_in(tmp_path) == [old[0], new]


def test_the_last_row_is_of_all(tmp_path: Path) -> None:
    findings = [Finding("F01", "kill", True, [ONE]), Finding("F07", "flush", False, [OTHER])]
    first, second, last = rows(findings)
    assert (first["run_again"], first["given_back"], first["settled"]) == (
        "1.00 / 3.00 / 3.00",
        "0.50",
        "4.0",
    )
    assert (second["given_back"], second["settled"]) == ("", "")
    assert [last[name] for name in ("runs", "kills", "accepted", "lost", "run_again")] == [
        2, 3, 15, 1, "2.00 / 3.00 / 3.00",
    ]  # fmt: skip
    assert "15 accepted 1 lost" in line(last)
    page = tmp_path / "page.md"
    write(findings, summary(findings, ["F01", "F07"], 2.5), page)
    text = page.read_text("utf-8")
    assert "| F07 | flush | 1 | 1 | 5 | 1 | 0 |  | 2.00 / 2.00 / 2.00 |  |" in text
    assert "1 of 2 hold. Not shown: F07. Of 3 jobs whose worker was hit, p99: given back 0.50 s, run" in text
