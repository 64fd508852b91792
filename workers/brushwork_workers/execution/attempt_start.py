"""The time between a claim and the start of the work: waiting for the model, and for exclusive access."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from brushwork_core.ledger import Ledger, Signal, WriteOutcome

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.service_patience import ServicePatience
from brushwork_workers.model_cache.load_postponed import LoadPostponed

LOGGER = logging.getLogger(__name__)
PAUSE_FOR_EXCLUSIVE_S = 1.0


class AttemptStart:
    """Keeps the ledger informed while an attempt waits, and gives it the gate when it begins.

    A waiting attempt is noted as resting in the ledger: if the worker dies meanwhile, it is no suspect. An
    attempt that has to be alone rests until it has exclusive access.

    Args:
        attempt: The attempt.
        ledger: Records whether the attempt rests or performs.
        patience: Repeats ledger calls while the database cannot be reached.
        exclusive_gate: Gives exclusive access.
    """

    def __init__(
        self, attempt: Attempt, ledger: Ledger, patience: ServicePatience, exclusive_gate: ExclusiveGate
    ) -> None:
        self._attempt = attempt
        self._ledger = ledger
        self._patience = patience
        self._exclusive_gate = exclusive_gate
        self._is_resting = attempt.claim.alone

    def while_waiting(self, is_active: bool) -> None:
        """Note that the attempt rests, and end the wait if there is a reason; called again and again.

        Args:
            is_active: Whether what the attempt waits for is making progress.

        Raises:
            JobStopped: The job must stop.
            LoadPostponed: Another job waits for exclusive access, so this one has to leave.
        """
        if not self._is_resting:
            self._is_resting = True
            self._note(self._ledger.rest)
        self.while_loading(is_active)
        if self._exclusive_gate.has_exclusive_waiter and not self._attempt.claim.alone:
            raise LoadPostponed(PAUSE_FOR_EXCLUSIVE_S)

    def while_loading(self, is_active: bool) -> None:
        """End the wait if the job must stop; called again and again while the model is loaded.

        Args:
            is_active: Whether the load is making progress.

        Raises:
            JobStopped: The job must stop.
        """
        if is_active:
            self._attempt.touch()
        self._attempt.raise_if_stopped()

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Work on the job inside the block, with exclusive access if the job has to be alone.

        Raises:
            JobStopped: The job must stop.
        """
        claim = self._attempt.claim
        with self._exclusive_gate.exclusive(self._attempt.check) if claim.alone else nullcontext():
            if claim.alone:
                LOGGER.info("Job %s runs alone", claim.job_id)
            if self._is_resting:
                self._is_resting = False
                self._note(self._ledger.perform)
            yield

    def _note(self, write: Callable[[str, int], WriteOutcome]) -> None:
        written = self._patience.write(self._attempt, lambda: write(*self._attempt.key))
        if written is WriteOutcome.LEASE_LOST:
            self._attempt.receive(Signal.LOST)
        self._attempt.raise_if_stopped()
