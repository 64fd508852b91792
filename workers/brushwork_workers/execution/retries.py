"""Whether a job gets another attempt after an error, when, and on which worker."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from brushwork_core.ledger import Claim
from brushwork_core.timing.backoff import Backoff
from brushwork_schemas.errors import (
    BrushworkError,
    DeviceFailed,
    MachineError,
    OutOfMemory,
    ServiceUnreachable,
)

LONGEST_PAUSE_S = 60.0
# Random share added to each pause, so that jobs that failed together do not return together.
SPREAD = 0.2


@dataclass(frozen=True)
class NextAttempt:
    """The conditions of another attempt.

    Args:
        after_s: Seconds until it may start.
        avoid: Name of the worker that should not run it; None for any worker.
        alone: Whether its worker must run no other job at the same time.
    """

    after_s: float
    avoid: str | None = None
    alone: bool = False


class RetryPolicy:
    """Decides whether a failed attempt is followed by another one.

    - An error of the caller or of brushwork would occur again, so the job fails at once.
    - An error of the operator, such as a model whose files are missing, lasts until the operator acts. The
      job fails at once, unless another worker lists the model.
    - An error of the machine may not occur again. The job runs again after a pause that doubles with each
      attempt, on another worker if there is one.
    - A job that ran out of memory beside other jobs runs again alone.
    - A job during which the device failed runs again alone, because it may be the cause.

    Args:
        worker: Name of this process in the ledger.
        others_serve: Returns whether another worker serves a kind, and lists a model if one is given.
        first_pause_s: Seconds before the second attempt.
    """

    def __init__(
        self, worker: str, others_serve: Callable[[str, str | None], bool], first_pause_s: float
    ) -> None:
        self._worker = worker
        self._others_serve = others_serve
        self._first_pause_s = first_pause_s

    def next_attempt(self, claim: Claim, error: BrushworkError) -> NextAttempt | None:
        """Return the conditions of the next attempt, or None if the job has failed."""
        if claim.attempt >= claim.max_attempts:
            return None
        if isinstance(error, OutOfMemory):
            return None if claim.alone else NextAttempt(0.0, alone=True)
        if not isinstance(error, MachineError):
            return None
        # A service that refuses us is mended without a restart of any worker.
        is_model = error.fault == "operator" and not isinstance(error, ServiceUnreachable)
        needed = claim.model if is_model else None
        has_others = self._has_others(claim.kind, needed)
        if needed is not None and not has_others:
            return None
        pause_s = Backoff(self._first_pause_s, LONGEST_PAUSE_S).pause_s(claim.attempt)
        # The random number protects no secret.
        pause_s *= 1 + SPREAD * random.random()  # noqa: S311
        avoid = self._worker if has_others else None
        return NextAttempt(pause_s, avoid, alone=isinstance(error, DeviceFailed))

    def _has_others(self, kind: str, model: str | None) -> bool:
        try:
            return self._others_serve(kind, model)
        except ServiceUnreachable:
            return False
