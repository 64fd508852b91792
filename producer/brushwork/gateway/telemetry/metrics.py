"""The metrics of a gateway process."""

from http import HTTPMethod

from brushwork_core.telemetry.labels import code_label
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS = frozenset(HTTPMethod)
# Codes of limits. They exist from the start, so that the first refusal is visible as an increase.
LIMITS = ("rate_limited", "budget_exceeded", "queue_full")


class GatewayMetrics:
    """Metrics of one gateway process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "brushwork_gateway_requests",
            "Number of answered requests, by route, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._took = Histogram(
            "brushwork_gateway_request_seconds",
            "Time from the request to the end of the answer; for event streams, to its headers.",
            ["route", "method"],
            buckets=REQUEST_S,
            registry=self.registry,
        )
        self._problems = Counter(
            "brushwork_gateway_problems",
            "Number of refused requests, by code. Limits: rate_limited, budget_exceeded, queue_full.",
            ["code"],
            registry=self.registry,
        )
        for code in LIMITS:
            self._problems.labels(code)
        self.streams = Gauge(
            "brushwork_gateway_open_streams", "Number of open event streams.", registry=self.registry
        )
        self.connections = Gauge(
            "brushwork_gateway_open_connections", "Number of open connections.", registry=self.registry
        )
        self._lost_audit_records = Counter(
            "brushwork_gateway_lost_audit_records",
            "Number of records of the audit log that could not be stored; the log of the process has them.",
            registry=self.registry,
        )
        self._ended = Counter(
            "brushwork_gateway_ended_connections",
            "Number of connections that the gateway ended, by reason: docs/http.md lists them.",
            ["reason"],
            registry=self.registry,
        )

    def audit_records_lost(self, number: int) -> None:
        """Count records of the audit log that could not be stored."""
        self._lost_audit_records.inc(number)

    def connection_ended(self, reason: str) -> None:
        """Count a connection that the gateway ended."""
        self._ended.labels(reason).inc()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            route: Template of the route, so that the number of label values is limited.
            method: HTTP method of the request.
            status: HTTP status of the answer.
            seconds: Time that the answer took.
        """
        known = method if method in _METHODS else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._took.labels(route, known).observe(seconds)

    def refused(self, code: str) -> None:
        """Count a request that was refused with this code."""
        self._problems.labels(code_label(code)).inc()
