"""Reports of the metrics of a gateway to the database, from where every gateway shows them."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.fleet.process_identity import identity
from brushwork_core.queries.ledger_stats import LedgerStats
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry.build_info import BuildInfo
from brushwork_core.telemetry.exposition import MetricFamilies, merged
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter
from brushwork_core.telemetry.service_probe import ServiceProbe
from brushwork_schemas.errors import ServiceUnreachable
from fastapi import Request
from prometheus_client import Metric

from brushwork.gateway.telemetry.ledger_metrics import LedgerMetrics
from brushwork.gateway.telemetry.metrics import GatewayMetrics
from brushwork.gateway.telemetry.service_checks import (
    DATABASE,
    DiskMetrics,
    TableVersion,
    service_checks,
)

ROLE = "gateway"
# Twelve reports. The last report of a process that has ended is scraped before it expires.
LIVE_S = 60.0
# A write may have to wait for other writers. A scrape shows the last report then, at most 5 s old.
OWN_REPORT_S = 0.5
# Less than the limit of Prometheus, which is 10 s by default.
DATABASE_LIMIT_S = 5.0
_FromDatabase = tuple[list[Metric], Mapping[str, str]]


class Reporting:
    """Reports the metrics of this process, and reads those of all processes.

    Args:
        settings: Settings of the gateway.
        database: Database with the reports.
        store: Store of files.
        metrics: Metrics of this process.
    """

    def __init__(
        self, settings: Settings, database: Database, store: ArtifactStore, metrics: GatewayMetrics
    ) -> None:
        self._telemetry = ProcessReports(database)
        self._of_ledger = LedgerMetrics(LedgerStats(database), within_s=settings.lease_s)
        tables = TableVersion(database)
        self._probe = ServiceProbe(service_checks(settings, store, tables))
        for collector in (self._probe, tables, DiskMetrics(settings), BuildInfo(ROLE)):
            metrics.registry.register(collector)
        self._reporter = Reporter(self._telemetry, identity(ROLE), metrics.registry)
        self._has_others = False
        self._reader = ThreadPoolExecutor(1, "metrics")
        self._reading: Future[_FromDatabase] | None = None

    @classmethod
    def of(cls, request: Request) -> "Reporting":
        """Return the reporting of the application; a FastAPI dependency."""
        reporting: Reporting = request.app.state.reporting
        return reporting

    def start(self) -> None:
        """Start to report."""
        self._probe.start()
        self._reporter.start()

    def stop(self) -> None:
        """Stop, after a last report."""
        self._probe.stop()
        self._reporter.stop()
        self._reader.shutdown(wait=False, cancel_futures=True)

    def all_metrics(self) -> MetricFamilies:
        """Return the metrics of all processes and of the ledger; those of this process without the database.

        All gateways return the same values of counters, because each reads them from the database. So a
        scraper may ask any gateway each time.
        """
        found = self._from_database()
        return merged(*found) if found else merged([], {self._reporter.process: self._own_text()})

    def health(self) -> MetricFamilies:
        """Return only whether services answer."""
        return MetricFamilies(self._probe.collect())

    def _from_database(self) -> _FromDatabase | None:
        """Read from the database, in one thread: a database that hangs must not block others."""
        if self._probe.is_up(DATABASE) is False:
            return None
        if self._reading is None or self._reading.done():
            self._reading = self._reader.submit(self._read)
        try:
            return self._reading.result(DATABASE_LIMIT_S)
        except (ServiceUnreachable, TimeoutError):
            return None

    def _read(self) -> _FromDatabase:
        self._reporter.refresh(OWN_REPORT_S)
        reports = {report.process: report for report in self._telemetry.live(LIVE_S)}
        others = [name for name, report in reports.items() if report.role == ROLE]
        self._has_others = set(others) > {self._reporter.process}
        return list(self._of_ledger.collect()), {name: each.samples for name, each in reports.items()}

    def _own_text(self) -> str:
        """The metrics of this process.

        Beside other gateways, the counters are those of the last report. Otherwise a counter would seem to go
        backwards when the database is back and another gateway shows that report.
        """
        return self._reporter.text(as_reported=self._has_others)
