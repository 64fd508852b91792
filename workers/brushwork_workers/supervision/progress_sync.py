"""Exchanges signals and progress between running jobs and the ledger, for all jobs of a process at once.

Two threads call it. One receives signals every 50 ms, so that a canceled job stops within one step and 100
ms; it only reads, so it never waits for a writer. The other reports every 250 ms, all jobs in one
transaction.
"""

import logging
from collections.abc import Callable

from brushwork_core.fleet.job_signals import JobSignal, JobSignals, ProgressReport
from brushwork_core.ledger import Signal
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview

from brushwork_workers.execution.attempt import Attempt

LOGGER = logging.getLogger(__name__)
RECEIVE_EVERY_S = 0.05
REPORT_EVERY_S = 0.25
NO_SIGNAL = JobSignal(stop=False, preview=False)
Reported = tuple[Progress, Preview | None]
# What the ledger holds of a job that has reported nothing yet.
NOT_REPORTED: Reported = (Progress(), None)


class ProgressSync:
    """Delivers signals to running jobs, and writes their progress. Sends no query while no job runs.

    Args:
        job_signals: Reads signals and writes progress.
        worker: Name of this process in the ledger.
        attempts: Returns the attempts that run now.
    """

    def __init__(self, job_signals: JobSignals, worker: str, attempts: Callable[[], list[Attempt]]) -> None:
        self._job_signals = job_signals
        self._worker = worker
        self._attempts = attempts
        self._reported: dict[Attempt, Reported] = {}

    def receive(self) -> None:
        """Deliver the signals of all running jobs: to stop, or to show a preview."""
        attempts = self._attempts()
        if not attempts:
            return
        try:
            signals = self._job_signals.signals(self._worker)
        except ServiceUnreachable as error:
            # The heartbeat logs it too, but not twenty times a second.
            LOGGER.debug("Signals could not be read: %s", error)
            return
        for attempt in attempts:
            signal = signals.get(attempt.key, NO_SIGNAL)
            attempt.is_watched = signal.preview
            if signal.stop:
                attempt.receive(Signal.CANCEL)
            elif attempt.is_overdue:
                attempt.receive(Signal.EXPIRE)

    def report(self) -> None:
        """Write the progress and previews of all jobs that have changed since the last report."""
        attempts = self._attempts()
        self._reported = {attempt: self._reported.get(attempt, NOT_REPORTED) for attempt in attempts}
        # Each attempt is read once, because its job goes on meanwhile.
        current = {attempt: (attempt.progress, attempt.preview) for attempt in attempts}
        changed = {attempt: each for attempt, each in current.items() if each != self._reported[attempt]}
        try:
            written = self._job_signals.report_progress(
                [self._row(attempt, *each) for attempt, each in changed.items()]
            )
        except ServiceUnreachable as error:
            LOGGER.debug("Progress could not be written: %s", error)
            return
        self._reported |= {attempt: each for attempt, each in changed.items() if attempt.key in written}

    def _row(self, attempt: Attempt, progress: Progress, preview: Preview | None) -> ProgressReport:
        _, shown = self._reported[attempt]
        return ProgressReport(*attempt.key, progress, preview if preview is not shown else None)
