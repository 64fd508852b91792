"""Reports of the metrics of a gateway to the database, from where every gateway shows them."""

from brushwork_core.database.database import Database
from brushwork_core.queries.ledger_stats import LedgerStats
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter, process_name
from fastapi import Request

from brushwork.gateway.telemetry.ledger_metrics import LedgerMetrics
from brushwork.gateway.telemetry.metrics import GatewayMetrics


class Reporting:
    """Reports the metrics of this process, and reads those of all processes.

    Args:
        settings: Settings of the gateway.
        database: Database with the reports.
        metrics: Metrics of this process.
    """

    def __init__(self, settings: Settings, database: Database, metrics: GatewayMetrics) -> None:
        self.metrics = metrics
        self.telemetry = ProcessReports(database)
        self.of_ledger = LedgerMetrics(LedgerStats(database), within_s=settings.lease_s)
        self.process = process_name("gateway")
        self._reporter = Reporter(self.telemetry, self.process, "gateway", metrics.registry)

    @classmethod
    def of(cls, request: Request) -> "Reporting":
        """Return the reporting of the application; a FastAPI dependency."""
        reporting: Reporting = request.app.state.reporting
        return reporting

    def start(self) -> None:
        """Start to report."""
        self._reporter.start()

    def stop(self) -> None:
        """Stop, after a last report."""
        self._reporter.stop()
