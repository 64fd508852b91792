"""Reports the metrics of a process every few seconds, from a thread of its own."""

import logging
import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Metric

from brushwork_core.telemetry.carried_counters import COUNTING, CarriedCounters
from brushwork_core.telemetry.exposition import MetricFamilies, families_of, text_of
from brushwork_core.telemetry.process_reports import ProcessIdentity, ProcessReports

LOGGER = logging.getLogger(__name__)
EVERY_S = 5.0


class Reporter:
    """Writes the metrics of a registry as reports.

    Args:
        telemetry: Store of the reports.
        identity: This process, with the name that it wants to have.
        registry: Metrics to report.
        every_s: Seconds between two reports.
        is_quiet: Returns whether nothing happened since it was last asked; asked before each report. While it
            is so, every other report is left out.
    """

    def __init__(
        self,
        telemetry: ProcessReports,
        identity: ProcessIdentity,
        registry: CollectorRegistry,
        *,
        every_s: float = EVERY_S,
        is_quiet: Callable[[], bool] = lambda: False,
    ) -> None:
        self._telemetry = telemetry
        self._identity = identity
        self._registry = registry
        self._every_s = every_s
        self._is_quiet = is_quiet
        self._left_out = True
        self._process: str | None = None
        self._carried = CarriedCounters()
        # The last report that was written, and the same without the counters of predecessors.
        self._reported = self._own_reported = ""
        self._stopping, self._wanted = threading.Event(), threading.Event()
        self._turn = threading.Condition()
        self._num_begun = self._num_done = 0
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    @property
    def process(self) -> str:
        """Name of this process in the reports; the name that it wants, as long as it has none."""
        return self._process or self._identity.name

    def start(self) -> None:
        """Start the thread, with a first report now."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread after a last report."""
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def refresh(self, timeout_s: float) -> None:
        """Report now, and wait until the report is written, but not longer than `timeout_s` seconds."""
        with self._turn:
            # A report in progress may lack the last events.
            awaited = self._num_begun + 1
            self._wanted.set()
            self._turn.wait_for(lambda: self._num_done >= awaited, timeout_s)

    def text(self, *, as_reported: bool) -> str:
        """Return the metrics of this process in the Prometheus text format.

        Args:
            as_reported: Whether counters and histograms are those of the last report that was written.
                Gauges are always those of now.
        """
        families = list(self._carried.added_to(self._collected()))
        if as_reported:
            reported = {family.name: family for family in families_of(self._reported)}
            families = [
                reported.get(family.name, family) if family.type in COUNTING else family
                for family in families
            ]
        return text_of(MetricFamilies(families))

    def report(self) -> None:
        """Write one report."""
        if (families := self._collected()) and (self._process is not None or self._claim()):
            samples = text_of(MetricFamilies(self._carried.added_to(families)))
            identity = self._identity
            written = self._telemetry.report(self.process, identity.role, samples, owner=identity.owner)
            if written:
                self._reported, self._own_reported = samples, text_of(MetricFamilies(families))
            elif written is False:
                # This process was frozen, and another one has continued its row.
                self._process = None

    def _claim(self) -> bool:
        claimed = self._telemetry.claim(self._identity)
        if claimed is not None:
            self._process = claimed.process
            # What this process has reported under another name stays there.
            self._carried = CarriedCounters(claimed.samples, but=self._own_reported)
        return claimed is not None

    def _collected(self) -> list[Metric]:
        try:
            return list(self._registry.collect())
        except Exception:
            # A device may fail to answer, for example. The next report may succeed.
            LOGGER.exception("The metrics of this process could not be collected")
            return []

    def _run(self) -> None:
        while not self._stopping.is_set():
            is_asked = self._wanted.is_set()
            self._wanted.clear()
            self._left_out = self._is_quiet() and not self._left_out and not is_asked
            if not self._left_out:
                self._take_turn()
            self._wanted.wait(self._every_s)
        self._take_turn()
        self._telemetry.leave(self.process, self._identity.owner)

    def _take_turn(self) -> None:
        with self._turn:
            self._num_begun += 1
        self.report()
        with self._turn:
            self._num_done += 1
            self._turn.notify_all()
