"""The metrics of the recurring threads of a worker: whether they still run."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brushwork_workers.supervision.recurring_thread import RecurringThread


class ThreadMetrics(Collector):
    """Collects when each recurring thread last succeeded.

    Args:
        threads: Returns the threads.
    """

    def __init__(self, threads: Callable[[], Sequence[RecurringThread]]) -> None:
        self._threads = threads

    def collect(self) -> Iterator[Metric]:
        """Yield the metric; nothing for a thread that has not succeeded yet."""
        family = GaugeMetricFamily(
            "brushwork_thread_last_success_timestamp_seconds",
            "When a recurring thread of the worker last succeeded, in seconds since 1970.",
            labels=["thread"],
        )
        for thread in self._threads():
            if thread.succeeded_at is not None:
                family.add_metric([thread.name], thread.succeeded_at)
        yield family
