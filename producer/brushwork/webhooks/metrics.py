"""The metrics of a webhook sender."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

DELIVERY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)


class DeliveryOutcome(StrEnum):
    """How a delivery attempt ended."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    """It failed and is tried again later."""
    DEAD = "dead"
    """It was the last attempt, or the address is not allowed."""
    GONE = "gone"
    """The receiver wants no more events at this address."""
    BROKEN_OFF = "broken_off"
    """The sender was interrupted, or the job was removed."""


class SenderMetrics:
    """Metrics of one sender process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._tries = Counter(
            "brushwork_webhook_deliveries",
            "Number of delivery attempts, by outcome. delivered; retried: tried again later; dead: given up; "
            "gone: the receiver wants no more events; broken_off: interrupted in the sender.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in DeliveryOutcome:
            self._tries.labels(outcome)
        self._took = Histogram(
            "brushwork_webhook_delivery_seconds",
            "Time from the start of an attempt to the answer of the receiver, or to the time limit.",
            buckets=DELIVERY_S,
            registry=self.registry,
        )
        self.running = Gauge(
            "brushwork_webhook_deliveries_running", "Number of attempts that run now.", registry=self.registry
        )

    def took(self, seconds: float) -> None:
        """Observe the time of an attempt."""
        self._took.observe(seconds)

    def ended(self, outcome: DeliveryOutcome) -> None:
        """Count an attempt that has ended."""
        self._tries.labels(outcome).inc()
