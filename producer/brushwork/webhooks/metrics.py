"""What a sender of webhooks counts, for /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

DELIVERY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
OUTCOMES = ("delivered", "retried", "dead", "gone", "broken_off")


class SenderMetrics:
    """Counters of one sender, all in one registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._tries = Counter(
            "brushwork_webhook_deliveries",
            "Tries to tell a receiver, by outcome: delivered; retried later; dead after the last try, or as "
            "the address may not be reached; gone, the receiver wants no more; broken_off by the sender.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self._tries.labels(outcome)
        self._took = Histogram(
            "brushwork_webhook_delivery_seconds",
            "From a try's start to the receiver's status, or to the end of the wait for it.",
            buckets=DELIVERY_S,
            registry=self.registry,
        )
        self.on_the_way = Gauge(
            "brushwork_webhook_deliveries_running", "Tries on their way now.", registry=self.registry
        )

    def took(self, seconds: float) -> None:
        """A receiver answered after so long, or did not."""
        self._took.observe(seconds)

    def ended(self, outcome: str) -> None:
        """A try came to its end: one of `OUTCOMES`."""
        self._tries.labels(outcome).inc()
