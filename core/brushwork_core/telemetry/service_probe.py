"""Whether other services answer, checked every few seconds so that no scrape waits for them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

LOGGER = logging.getLogger(__name__)
EVERY_S = 5.0
# A check that takes longer counts as no answer.
LIMIT_S = 10.0


@dataclass
class _Checked:
    """The last answer of a service.

    Args:
        is_up: Whether it answered; None before the first answer.
        took_s: Seconds of the last check that succeeded.
        asked_at: When the check in progress began, in monotonic seconds; None between two checks.
    """

    is_up: bool | None = None
    took_s: float | None = None
    asked_at: float | None = None


class ServiceProbe(Collector):
    """Checks services, each in a thread of its own, and collects the results.

    Args:
        checks: By name of the service: a function that raises an exception if the service does not answer.
        every_s: Seconds between two checks of a service.
        limit_s: Seconds after which a check in progress counts as failed.
    """

    def __init__(
        self,
        checks: Mapping[str, Callable[[], None]],
        *,
        every_s: float | None = None,
        limit_s: float | None = None,
    ) -> None:
        self._checks = checks
        self._every_s = EVERY_S if every_s is None else every_s
        self._limit_s = LIMIT_S if limit_s is None else limit_s
        self._checked = {service: _Checked() for service in checks}
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start to check."""
        for service in self._checks:
            name = f"health of {service}"
            threading.Thread(target=self._run, args=(service,), name=name, daemon=True).start()

    def stop(self) -> None:
        """Stop to check. A check in progress is not waited for."""
        self._stopping.set()

    def is_up(self, service: str) -> bool | None:
        """Return whether a service answered; None if this is not known yet."""
        checked = self._checked[service]
        asked_at = checked.asked_at
        if asked_at is not None and time.monotonic() - asked_at > self._limit_s:
            return False
        return checked.is_up

    def check(self, service: str) -> None:
        """Check one service now."""
        checked = self._checked[service]
        checked.asked_at = began = time.monotonic()
        was_up = checked.is_up
        try:
            self._checks[service]()
            checked.took_s = time.monotonic() - began
            checked.is_up = True
        except Exception as error:
            checked.is_up = False
            if was_up is not False:
                LOGGER.warning("The %s does not answer: %s", service, error)
        finally:
            checked.asked_at = None
        if checked.is_up and was_up is False:
            LOGGER.info("The %s answers again", service)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        up = GaugeMetricFamily(
            "brushwork_up", "Whether a service answers this process: 1 or 0.", labels=["service"]
        )
        latency = GaugeMetricFamily(
            "brushwork_service_latency_seconds",
            "Time that a service took for its last answer to a check.",
            labels=["service"],
        )
        for service, checked in self._checked.items():
            is_up = self.is_up(service)
            if is_up is not None:
                up.add_metric([service], float(is_up))
            if is_up and checked.took_s is not None:
                latency.add_metric([service], checked.took_s)
        yield up
        yield latency

    def _run(self, service: str) -> None:
        while not self._stopping.is_set():
            self.check(service)
            self._stopping.wait(self._every_s)
