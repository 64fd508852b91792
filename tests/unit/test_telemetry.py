"""What processes report: kept while they live, dropped where it can't be written, cleaned up after them."""

import logging
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import TELEMETRY
from brushwork_core.telemetry.process_reports import KEPT_S, ProcessReport, ProcessReports
from brushwork_core.telemetry.reporter import Reporter, process_name
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import select, update

from tests.servers import wait_until


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
    telemetry.report("here", "worker", "")
    assert known(database) == ["here", "quiet"]


def test_what_can_not_be_written_is_dropped_and_complained_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(f"sqlite:///{tmp_path}/later.sqlite3")
    telemetry = ProcessReports(database)
    with caplog.at_level(logging.WARNING):
        assert [telemetry.report("a", "worker", "") for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1
    database.migrate()
    assert telemetry.report("a", "worker", "x 1\n")
    database.close()


def test_a_reporter_reports_from_its_start_to_its_end(database: Database) -> None:
    registry = CollectorRegistry()
    counter = Counter("brushwork_things", "Things.", registry=registry)
    telemetry = ProcessReports(database)
    reporter = Reporter(telemetry, "a", "gateway", registry, every_s=3600)
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
    Reporter(ProcessReports(database), "a", "worker", registry).report()
    assert known(database) == []
    assert "could not be collected" in caplog.text


def test_a_name_is_of_one_life() -> None:
    assert process_name("sender") != process_name("sender")
    assert process_name("sender").startswith("sender@")
