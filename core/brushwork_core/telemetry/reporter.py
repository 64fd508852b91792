"""Reports what a process counts, every few seconds, from a thread of its own."""

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
    """Tells `telemetry` what `registry` holds.

    Args:
        telemetry: To whom.
        process: This process's name, of this life only.
        role: worker, sender or gateway.
        registry: What is counted.
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
        """Begin with a first report now."""
        self._thread.start()

    def stop(self) -> None:
        """End with a last report, so that what was counted since the one before is not lost."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def report(self) -> None:
        """Report once."""
        try:
            samples = text_of(self._registry)
        except Exception:
            # A device, say, that can't be asked any more: the next round may go well.
            LOGGER.exception("What this process counts could not be put together")
            return
        self._telemetry.report(self.process, self._role, samples)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.report()
            self._stopping.wait(self._every_s)
        self.report()


def process_name(role: str) -> str:
    """A name for a process that has none: unique to its life."""
    return f"{role}@{socket.gethostname()}/{os.getpid()}-{secrets.token_hex(4)}"
