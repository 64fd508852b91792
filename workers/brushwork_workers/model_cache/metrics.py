"""The metrics of the models of one worker: loads, evictions, and memory."""

from collections import Counter as Sums
from collections.abc import Callable, Iterator, Mapping

from brushwork_core.telemetry.labels import trained_together
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class LoadMetrics:
    """Counts loads and evictions of models, of all trained models together. Safe to use from any thread.

    Args:
        registry: Where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._loads = Counter(
            "brushwork_model_loads",
            "Model loads by outcome: ready or failed.",
            ["model", "outcome"],
            registry=registry,
        )
        self._load_s = Gauge(
            "brushwork_model_load_seconds",
            "Duration of the last load of a model, warm-up included.",
            ["model"],
            registry=registry,
        )
        self._evictions = Counter(
            "brushwork_model_evictions",
            "Models that were removed from the device to make room for others.",
            ["model"],
            registry=registry,
        )

    def loaded(self, model: str, seconds: float) -> None:
        """Count a model that is ready after so many seconds."""
        label = trained_together(model)
        self._loads.labels(label, "ready").inc()
        self._load_s.labels(label).set(seconds)
        # Shows 0 until the first eviction.
        self._evictions.labels(label)

    def failed(self, model: str) -> None:
        """Count a model that could not be loaded."""
        self._loads.labels(trained_together(model), "failed").inc()

    def evicted(self, model: str) -> None:
        """Count a model that was removed to make room for another."""
        self._evictions.labels(trained_together(model)).inc()


class ModelMetrics(Collector):
    """Collects the memory that each loaded model takes, and all trained models together.

    Args:
        loaded: Returns the models on the device and the bytes that each takes.
        budget_bytes: Bytes that they may take together.
    """

    def __init__(self, loaded: Callable[[], Mapping[str, int]], budget_bytes: int) -> None:
        self._loaded = loaded
        self._budget_bytes = budget_bytes

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        sizes = GaugeMetricFamily(
            "brushwork_model_bytes",
            "Memory that each loaded model takes: weights and buffers.",
            labels=["model"],
        )
        totals: Sums[str] = Sums()
        for model, size_bytes in self._loaded().items():
            totals[trained_together(model)] += size_bytes
        for model, size_bytes in totals.items():
            sizes.add_metric([model], size_bytes)
        yield sizes
        yield GaugeMetricFamily(
            "brushwork_model_budget_bytes",
            "Memory that the loaded models may take together.",
            value=self._budget_bytes,
        )
