"""The metrics of the device, from torch and NVML; none without CUDA."""

from collections.abc import Iterator

import torch
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class DeviceMetrics(Collector):
    """Collects memory and utilisation of one device.

    Args:
        device: The worker's device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        if self._device.type != "cuda":
            return
        free, total = torch.cuda.mem_get_info(self._device)
        yield self._gauge("memory_used_bytes", "Memory in use on the device, by all processes.", total - free)
        yield self._gauge("memory_total_bytes", "Memory of the device.", total)
        held = torch.cuda.memory_reserved(self._device)
        yield self._gauge(
            "memory_held_bytes", "Memory that this worker has reserved, including its cache.", held
        )
        busy = self._busy()
        if busy is not None:
            yield self._gauge(
                "busy_ratio", "Share of the recent past in which the device was computing.", busy
            )

    def _busy(self) -> float | None:
        try:
            return torch.cuda.utilization(self._device) / 100
        # NVML may be missing, or not answer in a container. torch then raises various errors.
        except Exception:
            return None

    def _gauge(self, name: str, documentation: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"brushwork_device_{name}", documentation, labels=["device"])
        family.add_metric([str(self._device)], value)
        return family
