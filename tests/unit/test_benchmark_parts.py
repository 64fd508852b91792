"""The parts of the benchmarks that count and write."""

import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from benchmarks.arrivals import Latencies, play, poisson, together
from benchmarks.contestant import Job
from benchmarks.program import Program
from benchmarks.report import Record, enter, table
from benchmarks.rounds import Stage, take_turns, times_faster


class Instant:
    name = "instant"

    def __init__(self, *programs: Program) -> None:
        self.programs = programs
        self.answered: list[Job] = []

    def answer(self, job: Job) -> None:
        self.answered.append(job)

    def burst(self, jobs: Sequence[Job]) -> float:
        return 0.0


def test_turns_change_their_order_from_round_to_round() -> None:
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return 1.0

    seconds = take_turns({"a": lambda: turn("a"), "b": lambda: turn("b")}, 2, Stage([]))
    assert order == ["a", "b", "b", "a"]
    assert seconds == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_only_the_one_whose_turn_it_is_runs(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"]
    with Program(argv, tmp_path / "log", lambda: True) as program:
        waiting = Instant(program)
        waiting.name = "waiting"
        stage = Stage([waiting, Instant()])
        with stage.turn("instant"):
            assert {each.status() for each in program.tree()} == {psutil.STATUS_STOPPED}
        assert psutil.STATUS_STOPPED not in {each.status() for each in program.tree()}
        with stage.turn("waiting"):
            assert psutil.STATUS_STOPPED not in {each.status() for each in program.tree()}


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    assert times_faster([1.0, 2.0, 4.0], [2.0, 2.0, 16.0]) == 2.0


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)])
def test_percentiles_are_among_the_measured(share: float, expected: float) -> None:
    latencies = Latencies(tuple(float(each) for each in range(100, 0, -1)), 1.0)
    assert latencies.percentile_s(share) == expected


def test_streams_are_pooled() -> None:
    pooled = together([Latencies((1.0, 2.0), 5.0), Latencies((3.0,), 7.0)])
    assert pooled == Latencies((1.0, 2.0, 3.0), 6.0)
    assert pooled.mean_s == 2.0


def test_arrivals_have_the_wanted_rate_and_every_job_is_asked_for_once() -> None:
    moments = poisson(2000, per_s=50.0, seed=1)
    assert moments == sorted(moments)
    assert 2000 / moments[-1] == pytest.approx(50.0, rel=0.1)
    contestant, jobs = Instant(), [{"index": index} for index in range(20)]
    assert all(latency > 0 for latency in play(contestant, jobs, poisson(20, 2000.0, seed=2)).seconds)
    assert sorted(job["index"] for job in contestant.answered) == list(range(20))


def test_a_table_is_put_between_its_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin x -->\nold\n<!-- end x -->\nafter\n", "utf-8")
    enter(page, "x", table([{"a": 0.1234, "b": None}], {"a": "A", "b": "B"}))
    told = page.read_text("utf-8").splitlines()
    assert told == [
        "before", "<!-- begin x -->", "| A | B |", "| --- | --- |", "| 0.123 |  |", "<!-- end x -->", "after",
    ]  # fmt: skip


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Record({"cores": 2}, {"jobs": 3}, [{"name": "a", "per_s": 1.5}])
    record.save(tmp_path / "x.json")
    assert Record.load(tmp_path / "x.json") == record
