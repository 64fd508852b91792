"""How running jobs speak and hear: all of a process at once, however many they are.

Two threads call it. One listens every 50 ms, which is why a canceled job leaves within one step and 100 ms;
it only reads, so no writer keeps it waiting. The other speaks every 250 ms, for all jobs in one transaction.
"""

import logging
from collections.abc import Callable

from brushwork_core.fleet.job_signals import Report, Wire, Wish
from brushwork_core.ledger import Signal
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview

from brushwork_workers.execution.attempt import Hold

LOGGER = logging.getLogger(__name__)
LISTEN_EVERY_S = 0.05
SPEAK_EVERY_S = 0.25
NOTHING = Wish(stop=False, preview=False)
Said = tuple[Progress, Preview | None]
# What the ledger holds of a job that has said nothing yet.
AT_FIRST: Said = (Progress(), None)


class Intercom:
    """Carries word between the jobs of this process and the ledger; asks nothing while none runs.

    Args:
        wire: To the ledger.
        worker: This process's name there.
        holds: Gives the jobs that run now.
    """

    def __init__(self, wire: Wire, worker: str, holds: Callable[[], list[Hold]]) -> None:
        self._wire = wire
        self._worker = worker
        self._holds = holds
        self._told: dict[Hold, Said] = {}

    def listen(self) -> None:
        """Tell the jobs what is wanted of them: to stop, to show what they have."""
        holds = self._holds()
        if not holds:
            return
        try:
            wishes = self._wire.wishes(self._worker)
        except ServiceUnreachable as error:
            # The heartbeat says so too, and not twenty times a second.
            LOGGER.debug("Nothing was heard: %s", error)
            return
        for hold in holds:
            wish = wishes.get(hold.attempt, NOTHING)
            hold.is_watched = wish.preview
            if wish.stop:
                hold.hear(Signal.CANCEL)
            elif hold.is_overdue:
                hold.hear(Signal.EXPIRE)

    def speak(self) -> None:
        """Write down the progress and previews of all jobs that went on since they were last written."""
        holds = self._holds()
        self._told = {hold: self._told.get(hold, AT_FIRST) for hold in holds}
        # One reading of each: its job goes on meanwhile.
        now = {hold: (hold.progress, hold.preview) for hold in holds}
        news = {hold: said for hold, said in now.items() if said != self._told[hold]}
        try:
            told = self._wire.tell([self._report(hold, *said) for hold, said in news.items()])
        except ServiceUnreachable as error:
            LOGGER.debug("Progress was not written: %s", error)
            return
        self._told |= {hold: said for hold, said in news.items() if hold.attempt in told}

    def _report(self, hold: Hold, progress: Progress, preview: Preview | None) -> Report:
        _, shown = self._told[hold]
        return Report(*hold.attempt, progress, preview if preview is not shown else None)
