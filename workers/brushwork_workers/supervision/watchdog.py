"""Detects hung jobs. A thread cannot be ended from outside, so the whole process is replaced.

There are two ways to hang. A job, or the device call that it waits for, may hang while Python runs on: a
thread detects this. Or something holds Python's global lock, so that no thread runs: for this there is a
timer outside Python, that of `faulthandler`, which the thread restarts again and again. After a process that
stood still has been continued, the thread may restart the timer before it fires; so the thread looks, too.
"""

import faulthandler
import time
from collections.abc import Callable, Sequence

from brushwork_core.settings.stall_bounds import StallBounds

from brushwork_workers.execution.attempt import Attempt

# The file descriptor: writing to it needs no Python, and no stream that somebody has replaced.
STDERR = 2
# When the device answers, all jobs that wait for it show a sign of life one after another, within this time.
SAME_TIME_S = 1.0


class Watchdog:
    """Checks all jobs of a process; to be called once a second.

    Args:
        attempts: Returns the attempts that run now.
        stall_s: After how many idle seconds a job of a kind counts as hung.
        frozen_s: After how many seconds without any Python code running the process ends.
        on_stall: Called with the hung jobs; it ends the process. After a standstill, no job is to blame.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self,
        attempts: Callable[[], list[Attempt]],
        *,
        stall_s: StallBounds,
        frozen_s: float,
        on_stall: Callable[[Sequence[Attempt]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._checked_at: float | None = None
        self._attempts = attempts
        self._stall_s = stall_s
        self._frozen_s = frozen_s
        self._on_stall = on_stall

    def check(self) -> None:
        """Restart the timer, and check that no job is hung."""
        faulthandler.dump_traceback_later(self._frozen_s, exit=True, file=STDERR)
        last, self._checked_at = self._checked_at, self._clock()
        stalled = self.stalled()
        if stalled or (last is not None and self._checked_at - last > self._frozen_s):
            faulthandler.dump_traceback(file=STDERR)
            self._on_stall(stalled)

    def stalled(self) -> list[Attempt]:
        """Return the hung jobs."""
        idle = [(attempt, attempt.idle_s) for attempt in self._attempts()]
        return [attempt for attempt, idle_s in idle if idle_s > self._limit_s(idle_s, idle)]

    def _limit_s(self, idle_s: float, idle: Sequence[tuple[Attempt, float]]) -> float:
        """The stall limit for a job that has been idle for `idle_s`.

        It is the largest limit of all jobs that have been idle at least as long: the job may wait for the
        device call of one of them.
        """
        return max(
            self._stall_s.of(attempt.claim.kind)
            for attempt, other_idle_s in idle
            if other_idle_s >= idle_s - SAME_TIME_S
        )

    def close(self) -> None:
        """Stop the timer."""
        faulthandler.cancel_dump_traceback_later()
