"""The metrics of jobs in one worker process.

A job costs a few counter updates, about a microsecond each; everything else is computed when it is collected.
"""

from collections.abc import Callable, Collection, Iterable, Iterator

from brushwork_core.ledger import Claim
from brushwork_core.telemetry.labels import code_label, kind_label, model_label
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.held_files import HeldFiles
from brushwork_workers.execution.service_health import Service, ServiceHealth

QUEUE_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
RUNNING_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class JobMetrics:
    """Counts the attempts of one worker process. Safe to use from any thread.

    Args:
        registry: Where the metrics are registered.
        models: Names of the models of the catalogue. All others are counted together.
    """

    def __init__(self, registry: CollectorRegistry, *, models: Collection[str] = ()) -> None:
        self._models = models
        self._attempts = Counter(
            "brushwork_attempts",
            "Attempts by outcome: succeeded, failed, canceled, expired, retried, postponed, lost.",
            ["kind", "model", "outcome", "code"],
            registry=registry,
        )
        self._in_queue = Histogram(
            "brushwork_job_queue_seconds",
            "Time from entering the queue to the claim, of each attempt.",
            ["kind"],
            buckets=QUEUE_S,
            registry=registry,
        )
        self._running = Histogram(
            "brushwork_job_running_seconds",
            "Running time of successful attempts, without waiting for the model and reading inputs.",
            ["kind", "model"],
            buckets=RUNNING_S,
            registry=registry,
        )
        self._dropped = Counter(
            "brushwork_messages_dropped",
            "Superfluous messages of older programs: the job was taken, had ended, or was not to run.",
            registry=registry,
        )
        self._released = Counter(
            "brushwork_released_jobs",
            "Running jobs that this worker put back into the queue when it stopped.",
            registry=registry,
        )

    def claimed(self, claim: Claim) -> None:
        """Count an attempt that begins."""
        self._in_queue.labels(kind_label(claim.kind)).observe(claim.queued_s)

    def dropped(self) -> None:
        """Count a message that led to no attempt."""
        self._dropped.inc()

    def ended(self, claim: Claim, outcome: str, code: str = "", running_s: float | None = None) -> None:
        """Count an attempt that has ended.

        Args:
            claim: The claim of the attempt.
            outcome: Name of the outcome in lower case.
            code: Error code; empty without an error.
            running_s: Running time in seconds if the attempt succeeded.
        """
        kind, model = kind_label(claim.kind), model_label(claim.model, self._models)
        self._attempts.labels(kind, model, outcome, code_label(code)).inc()
        if running_s is not None:
            self._running.labels(kind, model).observe(running_s)

    def released(self, number: int) -> None:
        """Count jobs that were put back into the queue."""
        self._released.inc(number)


class RunningJobs(Collector):
    """Collects the number of running jobs by kind.

    Args:
        kinds: The kinds that the worker serves.
        attempts: Returns the attempts that run now.
    """

    def __init__(self, kinds: Collection[str], attempts: Callable[[], Iterable[Attempt]]) -> None:
        self._kinds = kinds
        self._attempts = attempts

    def collect(self) -> Iterator[Metric]:
        """Yield the metric."""
        family = GaugeMetricFamily(
            "brushwork_jobs_running", "Jobs that this worker runs at the moment.", labels=["kind"]
        )
        running = [attempt.claim.kind for attempt in self._attempts()]
        for kind in self._kinds:
            family.add_metric([kind], running.count(kind))
        yield family


class ServiceMetrics(Collector):
    """Collects which services answer, and what is held while the artifact store does not.

    Args:
        health: The services of the worker.
        held: Its held files.
    """

    def __init__(self, health: ServiceHealth, held: HeldFiles) -> None:
        self._health = health
        self._held = held

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        up = GaugeMetricFamily(
            "brushwork_up",
            "Whether this process reaches a service: 1, or 0 while it is away.",
            labels=["service"],
        )
        for service in Service:
            up.add_metric([service.value], float(not self._health[service].is_away))
        yield up
        size = GaugeMetricFamily(
            "brushwork_held_bytes",
            "Finished files that wait for the artifact store, in memory and on disk.",
            labels=["place"],
        )
        size.add_metric(["memory"], self._held.taken_bytes(on_disk=False))
        size.add_metric(["disk"], self._held.taken_bytes(on_disk=True))
        yield size
