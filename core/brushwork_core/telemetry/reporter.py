"""Reports the metrics of a process every few seconds, from a thread of its own."""

import logging
import os
import secrets
import socket
import threading

from prometheus_client import CollectorRegistry

from brushwork_core.telemetry.exposition import text_of
from brushwork_core.telemetry.process_reports import ProcessReports

LOGGER = logging.getLogger(__name__)
EVERY_S = 5.0


class Reporter:
    """Writes the metrics of a registry as reports.

    Args:
        telemetry: Store of the reports.
        process: Name of this process, unique for each start.
        role: `worker`, `sender` or `gateway`.
        registry: Metrics to report.
        every_s: Seconds between two reports.
    """

    def __init__(
        self,
        telemetry: ProcessReports,
        process: str,
        role: str,
        registry: CollectorRegistry,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self.process = process
        self._telemetry = telemetry
        self._role = role
        self._registry = registry
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def start(self) -> None:
        """Start the thread, with a first report now."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread after a last report."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def report(self) -> None:
        """Write one report."""
        try:
            samples = text_of(self._registry)
        except Exception:
            # A device may fail to answer, for example. The next report may succeed.
            LOGGER.exception("The metrics of this process could not be collected")
            return
        self._telemetry.report(self.process, self._role, samples)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.report()
            self._stopping.wait(self._every_s)
        self.report()


def process_name(role: str) -> str:
    """Return a name for this process, unique for each start."""
    return f"{role}@{socket.gethostname()}/{os.getpid()}-{secrets.token_hex(4)}"
