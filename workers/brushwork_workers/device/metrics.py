"""The metrics of the device, from torch and its driver; none of a CPU."""

from collections.abc import Iterator

import torch
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brushwork_workers.device import accelerator


class DeviceMetrics(Collector):
    """Collects memory and utilisation of one device.

    Args:
        device: The worker's device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. What the backend of the device does not tell is left out."""
        device = self._device
        if not accelerator.is_accelerator(device):
            return
        if (memory := accelerator.memory_info(device)) is not None:
            free, total = memory
            used = "Memory in use on the device, by all processes."
            yield self._gauge("memory_used_bytes", used, total - free)
            yield self._gauge("memory_total_bytes", "Memory of the device.", total)
        if (held := accelerator.memory_held(device)) is not None:
            reserved = "Memory that this worker has reserved, including its cache."
            yield self._gauge("memory_held_bytes", reserved, held)
        if (busy := accelerator.busy_ratio(device)) is not None:
            computing = "Share of the recent past in which the device was computing."
            yield self._gauge("busy_ratio", computing, busy)

    def _gauge(self, name: str, documentation: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"brushwork_device_{name}", documentation, labels=["device"])
        family.add_metric([str(self._device)], value)
        return family
