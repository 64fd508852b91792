"""Metrics of the database. They are cached, so that many scrapers cause few queries.

Queued and running jobs are counted every two seconds, with indexes that contain only them. Ended jobs are
counted every 30 seconds: this reads an index of all of them, 0.1 to 0.3 seconds for a million.
"""

from collections.abc import Iterator, Mapping

from brushwork_core.queries.ledger_stats import LedgerStats
from brushwork_core.queries.ttl_cache import TtlCache
from brushwork_schemas.states import JobState
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

FRESH_S = 2.0
ENDED_FRESH_S = 30.0


class LedgerMetrics(Collector):
    """Collects the metrics of the database.

    Args:
        figures: Runs the queries.
        within_s: Workers without a heartbeat for longer, in seconds, do not count.
    """

    def __init__(self, figures: LedgerStats, within_s: float) -> None:
        self._queues = TtlCache(figures.queues, FRESH_S)
        self._running = TtlCache(figures.num_running, FRESH_S)
        self._ended = TtlCache(figures.num_ended, ENDED_FRESH_S)
        self._outbox = TtlCache(figures.outbox, FRESH_S)
        # A counter is not cached: of two gateways, the one that has the older value would make it go back.
        self._reaped = figures.reaped
        self._workers = TtlCache(lambda: figures.workers(within_s), FRESH_S)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from self._of_queues()
        yield from self._of_webhooks()
        reaped = CounterMetricFamily(
            "brushwork_reaped_jobs",
            "Number of jobs of lost workers, by what was done with them.",
            labels=["fate"],
        )
        for fate, number in self._reaped().items():
            reaped.add_metric([fate], number)
        yield reaped
        workers = GaugeMetricFamily(
            "brushwork_workers",
            "Number of live workers that serve a kind, by whether they are ready.",
            labels=["kind", "ready"],
        )
        for (kind, ready), number in self._workers.get().items():
            workers.add_metric([kind, str(ready).lower()], number)
        yield workers

    def _of_queues(self) -> Iterator[Metric]:
        queues = self._queues.get()
        depths = {kind: queue.depth for kind, queue in queues.items()}
        yield _by("brushwork_queue_depth", "Number of queued jobs, by kind.", "kind", depths)
        yield _by(
            "brushwork_queue_oldest_age_seconds",
            "Age of the oldest job among those that are next, by kind; 0 for an empty queue.",
            "kind",
            {kind: queue.oldest_s for kind, queue in queues.items()},
        )
        states: dict[str, float] = {
            JobState.QUEUED: sum(depths.values()),
            JobState.RUNNING: self._running.get(),
        }
        ended = {state.value: number for state, number in self._ended.get().items()}
        documentation = "Number of jobs, by state. Ended jobs are counted every 30 seconds."
        yield _by("brushwork_jobs", documentation, "state", states | ended)

    def _of_webhooks(self) -> Iterator[Metric]:
        outbox = self._outbox.get()
        for name, documentation, number in (
            ("open", "Number of events that are neither delivered nor dead.", outbox.num_open),
            ("dead", "Number of events that are not tried again unless they are replayed.", outbox.num_dead),
        ):
            yield GaugeMetricFamily(f"brushwork_webhook_{name}_events", documentation, number)
        yield GaugeMetricFamily(
            "brushwork_webhook_oldest_open_age_seconds",
            "Age of the oldest open event; 0 without open events.",
            outbox.oldest_s,
        )


def _by(name: str, documentation: str, label: str, numbers: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family
