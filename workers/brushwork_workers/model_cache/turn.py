"""A job's turn with its model: how it waits for it, and how it begins."""

import logging
from collections.abc import Callable
from contextlib import ExitStack

from brushwork_core.ledger import Signal, WriteOutcome

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.exclusive_gate import ExclusiveGate

LOGGER = logging.getLogger(__name__)
AFTER_ALONE_S = 1.0


class NotYet(Exception):
    """The job goes back to the ledger, uncharged: its model's turn is not soon enough to wait for it here.

    Args:
        after_s: When to try again.
    """

    def __init__(self, after_s: float) -> None:
        super().__init__(f"not before {after_s:.1f} s")
        self.after_s = after_s


class Turn:
    """What one job does while it waits for its model, and once it has it.

    Args:
        attempt: On the job.
        inside: What the job leaves at its end.
        exclusive_gate: Where one that has to be alone waits until it is.
        perform: Marks the job as performing in the ledger.
        rest: Marks the job as waiting in the ledger.
    """

    def __init__(
        self,
        attempt: Attempt,
        inside: ExitStack,
        exclusive_gate: ExclusiveGate,
        *,
        perform: Callable[[], WriteOutcome],
        rest: Callable[[], WriteOutcome],
    ) -> None:
        self._attempt = attempt
        self._inside = inside
        self._exclusive_gate = exclusive_gate
        self._perform = perform
        self._rest = rest
        # One that has to be alone is not performing before it is.
        self._is_resting = attempt.claim.alone
        self._has_begun = False

    def check(self, *, moves: bool = True) -> None:
        """Asked again and again while it waits.

        Args:
            moves: Whether what it waits for goes on.

        Raises:
            JobStopped: The job is to stop.
            NotYet: Another waits for this one to leave, so that it is alone.
        """
        if moves:
            self._attempt.move()
        self._attempt.obey()
        if self._exclusive_gate.is_awaited and not (self._attempt.claim.alone or self._has_begun):
            raise NotYet(AFTER_ALONE_S)

    def wait(self) -> None:
        """It will be a while."""
        if not self._is_resting:
            self._is_resting = True
            self._say(self._rest)

    def begin(self) -> None:
        """Its model is here, or is loaded for its sake: what goes wrong from now on is its own matter.

        Raises:
            JobStopped: The job is to stop.
        """
        self._has_begun = True
        if self._attempt.claim.alone:
            self._inside.enter_context(self._exclusive_gate.alone(self._attempt.check))
            LOGGER.info("Job %s runs alone", self._attempt.claim.job_id)
        if self._is_resting:
            self._is_resting = False
            self._say(self._perform)

    def _say(self, word: Callable[[], WriteOutcome]) -> None:
        if word() is WriteOutcome.LEASE_LOST:
            self._attempt.hear(Signal.LOST)
        self._attempt.obey()
