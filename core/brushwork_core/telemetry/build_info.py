"""Which version of brushwork a process runs."""

import platform
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Gauge


def add_build_info(registry: CollectorRegistry, role: str) -> None:
    """Add `brushwork_build_info`, whose value is always 1, to the metrics of a process.

    Args:
        registry: Metrics of the process.
        role: `worker`, `sender` or `gateway`.
    """
    labels = {
        "version": _version("brushwork"),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "role": role,
    }
    info = Gauge(
        "brushwork_build_info",
        "Versions of a process; always 1. Without torch, the label torch is empty.",
        list(labels),
        registry=registry,
    )
    info.labels(**labels).set(1)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
