"""Which version of brushwork a process runs."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class BuildInfo(Collector):
    """Collects the versions of a process.

    Args:
        role: `worker`, `sender` or `gateway`.
    """

    def __init__(self, role: str) -> None:
        self._labels = {
            "version": _version("brushwork"),
            "python": platform.python_version(),
            "torch": _version("torch"),
            "role": role,
        }

    def collect(self) -> Iterator[Metric]:
        """Yield the metric, whose value is always 1."""
        family = GaugeMetricFamily(
            "brushwork_build_info",
            "Versions of a process; always 1. Without torch, the label torch is empty.",
            labels=list(self._labels),
        )
        family.add_metric(list(self._labels.values()), 1)
        yield family


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
