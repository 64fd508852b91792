"""A worker's hold on one claimed job: the job speaks here, and the wish to stop arrives here."""

import logging
import math
import threading
import time
from collections.abc import Callable

from brushwork_core.ledger import Claim, Signal
from brushwork_schemas.errors import JobStopped
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview

LOGGER = logging.getLogger(__name__)


class Attempt:
    """One attempt that this process runs. Safe to use from any thread.

    Args:
        claim: The right to it.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.key = (claim.job_id, claim.fence)
        # Written by the job's own thread, read by the intercom's; each is replaced whole.
        self.progress = Progress()
        self.preview: Preview | None = None
        # Whether somebody looks at the job, written by the intercom.
        self.is_watched = False
        left_ms = claim.deadline_ms
        self._deadline = math.inf if left_ms is None else time.monotonic() + left_ms / 1000
        self._moved_at = time.monotonic()
        self._signal = Signal.GO_ON
        self._callbacks: list[Callable[[], None]] = []
        self._changing = threading.Lock()

    @property
    def signal(self) -> Signal:
        """What the ledger said last; once it said stop, it stays so."""
        return self._signal

    @property
    def is_overdue(self) -> bool:
        """Whether the job's deadline has passed."""
        return time.monotonic() > self._deadline

    @property
    def still_s(self) -> float:
        """Seconds since it last made a step or a call, or was given an answer."""
        return time.monotonic() - self._moved_at

    def move(self) -> None:
        """Note that the job goes on."""
        self._moved_at = time.monotonic()

    def hear(self, signal: Signal) -> None:
        """Take note of the ledger's word."""
        with self._changing:
            if signal is Signal.GO_ON or self._signal is not Signal.GO_ON:
                return
            self._signal = signal
        for callback in self._callbacks:
            self._call(callback)

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, from whatever thread, when the job is told to stop; now if it was already."""
        with self._changing:
            if self._signal is Signal.GO_ON:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def check(self) -> None:
        """Note that the job goes on, and leave it if it should not.

        Raises:
            JobStopped: It should not.
        """
        self.move()
        self.obey()

    def obey(self) -> None:
        """Leave the job if it should not go on; to ask is no sign that it does.

        Raises:
            JobStopped: It should not.
        """
        if self._signal is not Signal.GO_ON:
            raise JobStopped(f"Job {self.claim.job_id} was told: {self._signal.value}.")

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            # Who tells is the heartbeat, and other jobs wait to be told.
            LOGGER.exception(
                "Job %s could not be told to stop", self.claim.job_id, extra={"job": self.claim.job_id}
            )
