"""Whose fault an error was, and whether the job gets another attempt."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
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
# Retries of many jobs that failed together are not to come together.
SPREAD = 0.2


@dataclass(frozen=True)
class Again:
    """Another attempt: after how long, by whom not, and whether alone."""

    after_s: float
    avoid: str | None = None
    alone: bool = False


class Retries:
    """Decides what becomes of an attempt that failed.

    The caller's errors and ours come again however often one tries: the job fails at once. The machine's may
    not: it runs again, after a pause that doubles, and on another worker first if there is one. Too little
    memory beside others may be enough alone. A job under which a device failed runs alone, for it may do so
    again.

    Args:
        worker: This process's name in the ledger.
        others_serve: Whether another worker serves a kind.
        first_pause_s: Before the second attempt.
    """

    def __init__(self, worker: str, others_serve: Callable[[str], bool], first_pause_s: float) -> None:
        self._worker = worker
        self._others_serve = others_serve
        self._first_pause_s = first_pause_s

    def decide(self, claim: Claim, error: BrushworkError) -> Again | None:
        """The next attempt, or None if the job has failed."""
        if claim.attempt >= claim.max_attempts:
            return None
        if isinstance(error, OutOfMemory):
            return None if claim.alone else Again(0.0, alone=True)
        if not isinstance(error, MachineError):
            return None
        pause_s = Backoff(self._first_pause_s, LONGEST_PAUSE_S).pause_s(claim.attempt)
        # Not for secrecy.
        pause_s *= 1 + SPREAD * random.random()  # noqa: S311
        avoid = self._worker if self._others(claim.kind) else None
        return Again(pause_s, avoid, alone=isinstance(error, DeviceFailed))

    def _others(self, kind: str) -> bool:
        try:
            return self._others_serve(kind)
        except ServiceUnreachable:
            return False


def sorted_error(error: BaseException) -> BrushworkError:
    """The error with its code and fault, whatever a library raised."""
    if isinstance(error, BrushworkError):
        return error
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return OutOfMemory(
            "The worker's memory did not suffice for this job.",
            hint="Ask for fewer or smaller pictures, or use a larger device.",
        )
    if isinstance(error, torch.AcceleratorError):
        return DeviceFailed(
            "The worker's device failed.", hint="The worker's log holds the reason under this job's id."
        )
    if isinstance(error, OSError):
        return MachineError(
            f"{type(error).__name__} inside the worker.", hint="The worker's log holds the reason."
        )
    return BrushworkError(
        f"{type(error).__name__} inside the worker.",
        hint="The worker's log holds the traceback under this job's id.",
    )
