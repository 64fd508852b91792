"""What a worker counts, for /metrics: a registry of this process's own.

A job costs a few counts here, of about a microsecond each; all else is read only when it is reported.
"""

from collections.abc import Callable, Collection, Iterable, Iterator

from brushwork_core.ledger import Claim
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brushwork_workers.execution.attempt import Attempt

QUEUE_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
RUNNING_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counters of one worker process. Safe to use from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._attempts = Counter(
            "brushwork_attempts",
            "Attempts by outcome: succeeded, failed, canceled, expired, retried, postponed, lost.",
            ["kind", "model", "outcome", "code"],
            registry=self.registry,
        )
        self._in_queue = Histogram(
            "brushwork_job_queue_seconds",
            "From entering the queue to the claim, of each attempt.",
            ["kind"],
            buckets=QUEUE_S,
            registry=self.registry,
        )
        self._running = Histogram(
            "brushwork_job_running_seconds",
            "How long attempts that succeeded ran, without waiting for their model and reading pictures.",
            ["kind", "model"],
            buckets=RUNNING_S,
            registry=self.registry,
        )
        self._dropped = Counter(
            "brushwork_messages_dropped",
            "Messages that were one too many: the job was taken, had ended, or was not to run here or yet.",
            registry=self.registry,
        )
        self._add_rare()

    def _add_rare(self) -> None:
        self._released = Counter(
            "brushwork_released_jobs",
            "Jobs that this worker gave back as it stopped.",
            registry=self.registry,
        )
        self._loads = Counter(
            "brushwork_model_loads",
            "Models that were loaded, or could not be.",
            ["model", "outcome"],
            registry=self.registry,
        )
        self._load_s = Gauge(
            "brushwork_model_load_seconds",
            "How long the last load of a model took, warming up included.",
            ["model"],
            registry=self.registry,
        )
        self._evictions = Counter(
            "brushwork_model_evictions",
            "Models that were let go to make room for others.",
            ["model"],
            registry=self.registry,
        )

    def claimed(self, claim: Claim) -> None:
        """An attempt begins."""
        self._in_queue.labels(claim.kind).observe(claim.queued_s)

    def dropped(self) -> None:
        """A message led to nothing."""
        self._dropped.inc()

    def ended(self, claim: Claim, outcome: str, code: str = "", running_s: float | None = None) -> None:
        """An attempt has ended.

        Args:
            claim: Which.
            outcome: As its name.
            code: Of the error, if there was one.
            running_s: How long it ran, if it succeeded.
        """
        self._attempts.labels(claim.kind, claim.model, outcome, code).inc()
        if running_s is not None:
            self._running.labels(claim.kind, claim.model).observe(running_s)

    def released(self, number: int) -> None:
        """So many jobs were given back."""
        self._released.inc(number)

    def loaded(self, model: str, seconds: float | None) -> None:
        """A model is ready after so long; None: it can't be loaded."""
        self._loads.labels(model, "failed" if seconds is None else "ready").inc()
        if seconds is not None:
            self._load_s.labels(model).set(seconds)
            self._evictions.labels(model)

    def evicted(self, model: str) -> None:
        """A model made room for another."""
        self._evictions.labels(model).inc()

    def watch(self, *collectors: Collector) -> None:
        """Report what these know, too; they are asked only then."""
        for collector in collectors:
            self.registry.register(collector)


class RunningJobs(Collector):
    """The jobs that a worker runs at the moment.

    Args:
        kinds: That it serves.
        attempts: Gives the jobs.
    """

    def __init__(self, kinds: Collection[str], attempts: Callable[[], Iterable[Attempt]]) -> None:
        self._kinds = kinds
        self._attempts = attempts

    def collect(self) -> Iterator[Metric]:
        """As `Collector`."""
        family = GaugeMetricFamily(
            "brushwork_jobs_running", "Jobs that this worker runs at the moment.", labels=["kind"]
        )
        running = [attempt.claim.kind for attempt in self._attempts()]
        for kind in self._kinds:
            family.add_metric([kind], running.count(kind))
        yield family
