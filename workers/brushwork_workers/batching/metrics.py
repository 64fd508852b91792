"""What the batcher did, as metrics: sizes of runs, how full they were, how long calls waited, and why."""

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from brushwork_workers.batching.stats import BatchingStats, Tally

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SUMS: Mapping[str, tuple[str, Callable[[Tally], float]]] = {
    "calls": ("Calls of jobs that runs answered.", lambda tally: tally.calls),
    "room_rows": (
        "Rows for which runs had room; those that they had are brushwork_batch_rows_sum.",
        lambda tally: tally.room,
    ),
    "busy_seconds": ("How long the module ran.", lambda tally: tally.busy_s),
    "wait_seconds": ("How long calls waited for their run, summed over calls.", lambda tally: tally.waited_s),
}
_REASONS: Mapping[str, tuple[str, Callable[[Tally], Mapping[str, int]]]] = {
    "ran_because": ("Runs by why they began when they did.", lambda tally: tally.reasons),
    "passed_over": (
        "Calls that waited while a run was put together and were not of it, by why.",
        lambda tally: tally.passed_over,
    ),
}


class BatchMetrics(Collector):
    """The tallies of a report, by module.

    Args:
        report: Where they are.
    """

    def __init__(self, report: BatchingStats) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """As `Collector`."""
        tallies = self._report.tallies()
        yield _sizes(tallies)
        for name, (documentation, value) in _SUMS.items():
            family = CounterMetricFamily(f"brushwork_batch_{name}", documentation, labels=["module"])
            for module, tally in tallies.items():
                family.add_metric([module], value(tally))
            yield family
        for name, (documentation, values) in _REASONS.items():
            family = CounterMetricFamily(
                f"brushwork_batch_{name}", documentation, labels=["module", "reason"]
            )
            for module, tally in tallies.items():
                for reason, number in values(tally).items():
                    family.add_metric([module, reason], number)
            yield family


def _sizes(tallies: Mapping[str, Tally]) -> Metric:
    family = HistogramMetricFamily("brushwork_batch_rows", "Rows of a run.", labels=["module"])
    for module, tally in tallies.items():
        counts = [0] * (len(SIZES) + 1)
        for rows, number in tally.sizes.items():
            counts[next((index for index, most in enumerate(SIZES) if rows <= most), -1)] += number
        names = [*(str(float(most)) for most in SIZES), "+Inf"]
        family.add_metric([module], list(zip(names, accumulate(counts), strict=True)), sum_value=tally.rows)
    return family
