"""What a gateway counts, and where it is reported."""

from brushwork_core.database.database import Database
from brushwork_core.queries.ledger_stats import LedgerStats
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter, process_name
from fastapi import Request

from brushwork.gateway.telemetry.ledger_metrics import LedgerMetrics
from brushwork.gateway.telemetry.metrics import GatewayMetrics


class Reporting:
    """A gateway's own counts on their way to all other gateways, and the ledger's figures.

    Args:
        settings: What counts as being there.
        database: Where reports go.
        metrics: This process's.
    """

    def __init__(self, settings: Settings, database: Database, metrics: GatewayMetrics) -> None:
        self.metrics = metrics
        self.telemetry = ProcessReports(database)
        self.of_ledger = LedgerMetrics(LedgerStats(database), within_s=settings.lease_s)
        self.process = process_name("gateway")
        self._reporter = Reporter(self.telemetry, self.process, "gateway", metrics.registry)

    @classmethod
    def of(cls, request: Request) -> "Reporting":
        """That of the application that got this request."""
        reporting: Reporting = request.app.state.reporting
        return reporting

    def start(self) -> None:
        """Begin to report."""
        self._reporter.start()

    def stop(self) -> None:
        """End, with a last report."""
        self._reporter.stop()
