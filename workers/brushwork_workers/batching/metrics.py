"""The metrics of batches (size, how full, waiting time and its reason) and of the prompt cache."""

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from brushwork_workers.batching.prompt_cache import PromptCache
from brushwork_workers.batching.stats import BatchingStats, Tally

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SUMS: Mapping[str, tuple[str, Callable[[Tally], float]]] = {
    "calls": ("Model calls that batches answered.", lambda tally: tally.calls),
    "room_rows": (
        "Rows that the batches could have had; brushwork_batch_rows_sum counts those that they had.",
        lambda tally: tally.max_rows,
    ),
    "busy_seconds": ("Seconds that the module ran.", lambda tally: tally.busy_s),
    "wait_seconds": (
        "Seconds that calls waited for their batch, summed over calls.",
        lambda tally: tally.waited_s,
    ),
}
_REASONS: Mapping[str, tuple[str, Callable[[Tally], Mapping[str, int]]]] = {
    "ran_because": (
        "Batches by the reason why they were run: full, complete, lingered, alone.",
        lambda tally: tally.reasons,
    ),
    "passed_over": (
        "Calls that waited while a batch was chosen and were not part of it, by reason.",
        lambda tally: tally.passed_over,
    ),
}


class BatchMetrics(Collector):
    """Collects the sums of all modules.

    Args:
        stats: Holds the sums.
    """

    def __init__(self, stats: BatchingStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        tallies = self._stats.tallies()
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


class PromptCacheMetrics(Collector):
    """Collects how often the prompt cache had the answer of a text encoder, and its size.

    Args:
        cache: The cache of this worker.
    """

    def __init__(self, cache: PromptCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        hits = CounterMetricFamily(
            "brushwork_prompt_cache_hits",
            "Calls of a text encoder that the prompt cache answered.",
            labels=["module"],
        )
        misses = CounterMetricFamily(
            "brushwork_prompt_cache_misses",
            "Calls of a text encoder whose answer was not in the prompt cache.",
            labels=["module"],
        )
        for module, counts in self._cache.lookups().items():
            hits.add_metric([module], counts.hits)
            misses.add_metric([module], counts.misses)
        yield hits
        yield misses
        yield GaugeMetricFamily(
            "brushwork_prompt_cache_bytes",
            "CPU memory that the prompt cache takes.",
            value=self._cache.size_bytes,
        )


def _sizes(tallies: Mapping[str, Tally]) -> Metric:
    family = HistogramMetricFamily("brushwork_batch_rows", "Rows of a batch.", labels=["module"])
    for module, tally in tallies.items():
        counts = [0] * (len(SIZES) + 1)
        for rows, number in tally.sizes.items():
            counts[next((index for index, most in enumerate(SIZES) if rows <= most), -1)] += number
        names = [*(str(float(most)) for most in SIZES), "+Inf"]
        family.add_metric([module], list(zip(names, accumulate(counts), strict=True)), sum_value=tally.rows)
    return family
