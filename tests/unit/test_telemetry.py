"""What processes report: kept while they live, dropped where it can't be written, cleaned up after them."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import TELEMETRY
from brushwork_core.telemetry.process_reports import (
    KEPT_S,
    SILENT_S,
    ProcessIdentity,
    ProcessReport,
    ProcessReports,
)
from brushwork_core.telemetry.reporter import Reporter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select, update

from tests.servers import wait_until


def one(name: str, start: str = "a start") -> ProcessIdentity:
    """A gateway that wants this name."""
    return ProcessIdentity(name, "gateway", start)


def grow_old(database: Database, process: str, by_s: float) -> None:
    row = update(TELEMETRY).where(TELEMETRY.c.process == process)
    with database.writing() as connection:
        connection.execute(row.values(seen_at=TELEMETRY.c.seen_at - round(by_s * 1000)))


def known(database: Database) -> list[str]:
    with database.reading() as connection:
        return sorted(connection.execute(select(TELEMETRY.c.process)).scalars())


def test_the_last_report_of_each_process_counts(database: Database) -> None:
    telemetry = ProcessReports(database)
    for samples in ("x 1\n", "x 2\n"):
        assert telemetry.report("b", "worker", samples)
    telemetry.report("a", "sender", "y 1\n")
    assert telemetry.live(60) == [
        ProcessReport("a", "sender", "y 1\n"),
        ProcessReport("b", "worker", "x 2\n"),
    ]


def test_who_is_silent_is_not_live_and_is_forgotten_in_the_end(database: Database) -> None:
    telemetry = ProcessReports(database)
    for process in ("quiet", "gone", "here"):
        telemetry.report(process, "worker", "")
    grow_old(database, "quiet", 100)
    grow_old(database, "gone", KEPT_S + 1)
    assert [report.process for report in telemetry.live(60)] == ["here"]
    # Each process looks for old rows with its first report.
    ProcessReports(database).report("here", "worker", "")
    assert known(database) == ["here", "quiet"]


def test_what_can_not_be_written_is_dropped_and_complained_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(f"sqlite:///{tmp_path}/later.sqlite3")
    telemetry = ProcessReports(database)
    with caplog.at_level(logging.WARNING):
        assert [telemetry.report("a", "worker", "") for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    database.migrate()
    assert telemetry.report("a", "worker", "x 1\n")
    database.close()


def test_a_reporter_reports_from_its_start_to_its_end(database: Database) -> None:
    registry = CollectorRegistry()
    counter = Counter("brushwork_things", "Things.", registry=registry)
    telemetry = ProcessReports(database)
    reporter = Reporter(telemetry, one("a"), registry, every_s=3600)
    reporter.start()
    wait_until(lambda: telemetry.live(60))
    counter.inc(7)
    reporter.stop()
    [last] = telemetry.live(60)
    assert (last.process, last.role) == ("a", "gateway")
    assert "brushwork_things_total 7.0" in last.samples


def test_a_collector_that_breaks_costs_a_report_and_no_more(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def collect(self) -> list[object]:
            raise RuntimeError("the device is gone")

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Broken())  # type: ignore[arg-type]
    Reporter(ProcessReports(database), one("a"), registry).report()
    assert known(database) == []
    assert "could not be collected" in caplog.text


def test_two_processes_of_one_name_have_a_row_each(database: Database) -> None:
    telemetry = ProcessReports(database)
    names = [row.process for start in "abc" if (row := telemetry.claim(one("gateway@here", start)))]
    assert names == ["gateway@here", "gateway@here/2", "gateway@here/3"]


def test_a_row_is_free_once_its_process_has_ended(database: Database) -> None:
    telemetry = ProcessReports(database)
    for start in ("a", "b", "c", "d"):
        claimed = telemetry.claim(one("g", start))
        assert claimed
        telemetry.report(claimed.process, "gateway", f"x {start}\n", start)
    telemetry.leave("g/2", "b")
    assert telemetry.claim(one("g", "e")) == ProcessReport("g/2", "gateway", "x b\n")
    grow_old(database, "g/3", SILENT_S + 1)
    assert telemetry.claim(one("g", "f")) == ProcessReport("g/3", "gateway", "x c\n")
    killed = replace(one("g", "h"), has_ended=lambda owner: owner == "d")
    assert telemetry.claim(killed) == ProcessReport("g/4", "gateway", "x d\n")
    only = replace(one("g", "i"), is_only_one=True)
    assert telemetry.claim(only) == ProcessReport("g", "gateway", "x a\n")


def test_two_hundred_restarts_need_one_row(database: Database) -> None:
    telemetry = ProcessReports(database)
    telemetry.claim(one("gateway@here", "the other one"))
    for start in range(200):
        row = telemetry.claim(one("gateway@here", str(start)))
        assert row
        telemetry.report(row.process, "gateway", "x 1\n", str(start))
        telemetry.leave(row.process, str(start))
    assert known(database) == ["gateway@here", "gateway@here/2"]


def test_a_frozen_process_does_not_write_over_its_successor(database: Database) -> None:
    telemetry = ProcessReports(database)
    telemetry.claim(one("g", "frozen"))
    grow_old(database, "g", SILENT_S + 1)
    telemetry.claim(one("g", "successor"))
    assert telemetry.report("g", "gateway", "x 2\n", "successor") is True
    assert telemetry.report("g", "gateway", "x 1\n", "frozen") is False
    telemetry.leave("g", "frozen")
    assert [report.samples for report in telemetry.live(60)] == ["x 2\n"]
    assert telemetry.report("g", "gateway", "x 3\n", "successor") is True


@dataclass
class Life:
    """One start of a process, which counts things."""

    database: Database
    start: str

    def __post_init__(self) -> None:
        registry = CollectorRegistry()
        self.things = Counter("brushwork_things", "Things.", ["kind"], registry=registry)
        self.took = Histogram("brushwork_took", "Times.", buckets=(1,), registry=registry)
        self.now = Gauge("brushwork_now", "A gauge.", registry=registry)
        cpu = Counter("process_cpu_seconds", "Of this process.", registry=registry)
        cpu.inc(5)
        self.reporter = Reporter(ProcessReports(self.database), one("g", self.start), registry)


def total(database: Database, name: str) -> float:
    """The sum over all processes."""
    return sum(
        sample.value
        for report in ProcessReports(database).live(60)
        for family in text_string_to_metric_families(report.samples)
        for sample in family.samples
        if sample.name == name
    )


def test_counters_go_on_after_a_restart(database: Database) -> None:
    for start in range(3):
        life = Life(database, str(start))
        life.things.labels("a").inc(2)
        life.things.labels(f"of {start}").inc(10)
        life.took.observe(0.5)
        life.now.set(7)
        life.reporter.start()
        life.reporter.stop()
    assert total(database, "brushwork_things_total") == 36
    assert total(database, "brushwork_took_count") == 3
    assert total(database, "brushwork_took_bucket") == 6
    assert total(database, "brushwork_now") == 7
    assert total(database, "process_cpu_seconds_total") == 5


def test_nothing_is_counted_twice_when_a_frozen_process_goes_on(database: Database) -> None:
    frozen, successor = Life(database, "frozen"), Life(database, "successor")
    frozen.things.labels("a").inc(3)
    frozen.reporter.report()
    grow_old(database, "g", SILENT_S + 1)
    successor.things.labels("a").inc(10)
    successor.reporter.report()
    assert total(database, "brushwork_things_total") == 13
    frozen.things.labels("a").inc(100)
    # The first report finds its row taken, and the next one has a row of its own.
    frozen.reporter.report()
    assert total(database, "brushwork_things_total") == 13
    frozen.reporter.report()
    assert known(database) == ["g", "g/2"]
    assert total(database, "brushwork_things_total") == 3 + 10 + 100


def test_a_refresh_contains_what_was_counted_before_it(database: Database) -> None:
    life = Life(database, "a")
    life.reporter.start()
    for number in range(1, 20):
        life.things.labels("a").inc()
        life.reporter.refresh(30)
        assert total(database, "brushwork_things_total") == number
    life.reporter.stop()
