"""How running jobs speak and hear: all of a process at once, however many they are.

Two threads call it. One listens every 50 ms, which is why a canceled job leaves within one step and 100 ms;
it only reads, so no writer keeps it waiting. The other speaks every 250 ms, for all jobs in one transaction.
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
LISTEN_EVERY_S = 0.05
SPEAK_EVERY_S = 0.25
NOTHING = JobSignal(stop=False, preview=False)
Said = tuple[Progress, Preview | None]
# What the ledger holds of a job that has said nothing yet.
AT_FIRST: Said = (Progress(), None)


class ProgressSync:
    """Carries word between the jobs of this process and the ledger; asks nothing while none runs.

    Args:
        job_signals: To the ledger.
        worker: This process's name there.
        attempts: Gives the jobs that run now.
    """

    def __init__(self, job_signals: JobSignals, worker: str, attempts: Callable[[], list[Attempt]]) -> None:
        self._job_signals = job_signals
        self._worker = worker
        self._attempts = attempts
        self._told: dict[Attempt, Said] = {}

    def listen(self) -> None:
        """Tell the jobs what is wanted of them: to stop, to show what they have."""
        attempts = self._attempts()
        if not attempts:
            return
        try:
            signals = self._job_signals.signals(self._worker)
        except ServiceUnreachable as error:
            # The heartbeat says so too, and not twenty times a second.
            LOGGER.debug("Nothing was heard: %s", error)
            return
        for attempt in attempts:
            wish = signals.get(attempt.key, NOTHING)
            attempt.is_watched = wish.preview
            if wish.stop:
                attempt.hear(Signal.CANCEL)
            elif attempt.is_overdue:
                attempt.hear(Signal.EXPIRE)

    def speak(self) -> None:
        """Write down the progress and previews of all jobs that went on since they were last written."""
        attempts = self._attempts()
        self._told = {attempt: self._told.get(attempt, AT_FIRST) for attempt in attempts}
        # One reading of each: its job goes on meanwhile.
        now = {attempt: (attempt.progress, attempt.preview) for attempt in attempts}
        news = {attempt: said for attempt, said in now.items() if said != self._told[attempt]}
        try:
            told = self._job_signals.report_progress(
                [self._report(attempt, *said) for attempt, said in news.items()]
            )
        except ServiceUnreachable as error:
            LOGGER.debug("Progress was not written: %s", error)
            return
        self._told |= {attempt: said for attempt, said in news.items() if attempt.key in told}

    def _report(self, attempt: Attempt, progress: Progress, preview: Preview | None) -> ProgressReport:
        _, shown = self._told[attempt]
        return ProgressReport(*attempt.key, progress, preview if preview is not shown else None)
