"""What a gateway counts of the requests it answers."""

from http import HTTPMethod

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS = frozenset(HTTPMethod)
# The ways in which a limit refuses; there from the start, so that a first refusal is seen as a rise.
LIMITS = ("rate_limited", "budget_exceeded", "queue_full")


class GatewayMetrics:
    """Counters of one gateway process, all in one registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "brushwork_gateway_requests",
            "Requests answered, by the route's template, the method and the status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._took = Histogram(
            "brushwork_gateway_request_seconds",
            "From a request to the end of its answer; of a stream of events, to the answer's head.",
            ["route", "method"],
            buckets=REQUEST_S,
            registry=self.registry,
        )
        self._problems = Counter(
            "brushwork_gateway_problems",
            "Requests refused, by the problem's code; limits are rate_limited, budget_exceeded, queue_full.",
            ["code"],
            registry=self.registry,
        )
        for code in LIMITS:
            self._problems.labels(code)
        self.streams = Gauge(
            "brushwork_gateway_open_streams", "Streams of events that are open.", registry=self.registry
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request has its answer.

        Args:
            route: Its template, so that there are as many as there are routes.
            method: As it came.
            status: Of the answer.
            seconds: How long it took.
        """
        known = method if method in _METHODS else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._took.labels(route, known).observe(seconds)

    def refused(self, code: str) -> None:
        """A request was answered by a problem of this code."""
        self._problems.labels(code).inc()
