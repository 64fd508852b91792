"""One attempt of a job in this process: its claim, its progress, and the signal to stop."""

import logging
import math
import threading
import time
from collections.abc import Callable

from brushwork_core.ledger import Claim, Signal
from brushwork_schemas.errors import JobStopped
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.wording.phrase import said

LOGGER = logging.getLogger(__name__)


class Attempt:
    """One attempt of a claimed job. Safe to use from any thread.

    Args:
        claim: This worker's right to run the attempt.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.key = (claim.job_id, claim.fence)
        # The job's thread replaces these values as a whole; `ProgressSync` reads them in another thread.
        self.progress = Progress()
        self.preview: Preview | None = None
        # Whether a client watches the job's previews; `ProgressSync` sets it.
        self.is_watched = False
        left_ms = claim.deadline_ms
        self._deadline = math.inf if left_ms is None else time.monotonic() + left_ms / 1000
        self._active_at = time.monotonic()
        self._signal = Signal.GO_ON
        self._callbacks: list[Callable[[], None]] = []
        self._changing = threading.Lock()

    @property
    def signal(self) -> Signal:
        """The last signal. Once it tells the job to stop, it does not change any more."""
        return self._signal

    @property
    def is_stopped(self) -> bool:
        """Whether the job was told to stop."""
        return self._signal is not Signal.GO_ON

    @property
    def is_overdue(self) -> bool:
        """Whether the job's deadline has passed."""
        return time.monotonic() > self._deadline

    @property
    def idle_s(self) -> float:
        """Seconds since the last sign of life: a step, a model call, or an answer to one."""
        return time.monotonic() - self._active_at

    def touch(self) -> None:
        """Record a sign of life."""
        self._active_at = time.monotonic()

    def receive(self, signal: Signal) -> None:
        """Record a signal from the ledger, and run the callbacks if it tells the job to stop."""
        with self._changing:
            if signal is Signal.GO_ON or self._signal is not Signal.GO_ON:
                return
            self._signal = signal
        for callback in self._callbacks:
            self._call(callback)

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the job is told to stop, in any thread; at once if it already was."""
        with self._changing:
            if self._signal is Signal.GO_ON:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def check(self) -> None:
        """Record a sign of life, and raise if the job must stop.

        Raises:
            JobStopped: The job was told to stop.
        """
        self.touch()
        self.raise_if_stopped()

    def raise_if_stopped(self) -> None:
        """Raise if the job must stop. Does not count as a sign of life.

        Raises:
            JobStopped: The job was told to stop.
        """
        if self._signal is not Signal.GO_ON:
            raise JobStopped(
                said("Job {job_id} must stop: {value}.", job_id=self.claim.job_id, value=self._signal.value)
            )

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            # The caller is the heartbeat, which has other jobs to signal.
            job_id = self.claim.job_id
            LOGGER.exception("Job %s: a stop callback failed", job_id, extra={"job": job_id})
