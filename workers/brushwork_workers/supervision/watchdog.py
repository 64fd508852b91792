"""Notices what does not move any more. A thread can't be ended, so the process is replaced.

Two sorts of standstill: a job (or the device call that it waits for) hangs while Python runs on, which a
thread sees; or something holds Python's lock, and no thread sees anything. For the second there is a timer
outside of Python, `faulthandler`'s, that is wound up again and again by the first.
"""

import faulthandler
from collections.abc import Callable, Sequence

from brushwork_core.settings.stall_bounds import StallBounds

from brushwork_workers.execution.attempt import Attempt

# By number: what is written there needs no Python, and no stream that somebody replaced.
STDERR = 2
# All who wait for the device move when it answers, one after the other.
TOGETHER_S = 1.0


class Watchdog:
    """Looks at all jobs of a process once a second.

    Args:
        attempts: Gives the jobs that run now.
        stall_s: A job of a kind that does not move for so long is hung.
        frozen_s: If no Python runs for so long, the process ends.
        on_stall: Told of the jobs that are hung; it ends the process.
    """

    def __init__(
        self,
        attempts: Callable[[], list[Attempt]],
        *,
        stall_s: StallBounds,
        frozen_s: float,
        on_stall: Callable[[Sequence[Attempt]], None],
    ) -> None:
        self._attempts = attempts
        self._stall_s = stall_s
        self._frozen_s = frozen_s
        self._on_stall = on_stall

    def look(self) -> None:
        """Wind up the timer, and look whether every job moves."""
        faulthandler.dump_traceback_later(self._frozen_s, exit=True, file=STDERR)
        stalled = self.stalled()
        if stalled:
            faulthandler.dump_traceback(file=STDERR)
            self._on_stall(stalled)

    def stalled(self) -> list[Attempt]:
        """Jobs that do not move."""
        stands = [(attempt, attempt.still_s) for attempt in self._attempts()]
        return [attempt for attempt, still_s in stands if still_s > self._patience_s(still_s, stands)]

    def _patience_s(self, still_s: float, stands: Sequence[tuple[Attempt, float]]) -> float:
        """How long who has stood for so long may stand.

        As long as any that has stood at least as long: it may be their call that it waits for.
        """
        return max(
            self._stall_s.of(attempt.claim.kind)
            for attempt, stood_s in stands
            if stood_s >= still_s - TOGETHER_S
        )

    def close(self) -> None:
        """Nobody looks any more."""
        faulthandler.cancel_dump_traceback_later()
