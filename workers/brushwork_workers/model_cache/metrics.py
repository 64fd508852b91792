"""What the models of a worker take of the memory that they may take."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brushwork_workers.model_cache.model_manager import ModelManager


class ModelMetrics(Collector):
    """The models on a shelf, by size.

    Args:
        model_manager: Which.
    """

    def __init__(self, model_manager: ModelManager) -> None:
        self._model_manager = model_manager

    def collect(self) -> Iterator[Metric]:
        """As `Collector`."""
        sizes = GaugeMetricFamily(
            "brushwork_model_bytes", "What each loaded model takes: weights and buffers.", labels=["model"]
        )
        for model, size_bytes in self._model_manager.loaded.items():
            sizes.add_metric([model], size_bytes)
        yield sizes
        yield GaugeMetricFamily(
            "brushwork_model_budget_bytes",
            "What the loaded models may take together.",
            value=self._model_manager.budget_bytes,
        )
