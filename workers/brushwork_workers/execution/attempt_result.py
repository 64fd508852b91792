"""How the work on an attempt ended. The type is closed: the executor matches it once."""

from dataclasses import dataclass
from enum import StrEnum

from brushwork_core.database.picture_prints import PicturePrint
from brushwork_core.ledger import HoldReason, Signal
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.states import JobState


@dataclass(frozen=True)
class AttemptCompleted:
    """The handler has made a result.

    Args:
        result: The result, with its provenance.
        outputs: All files that the handler stored as outputs.
        prints: What the pictures among them look like, if the kind makes pictures.
        held_because: Why nobody may read the result before a review; None if it is served at once.
    """

    result: Result
    outputs: tuple[Artifact, ...]
    prints: tuple[PicturePrint, ...] = ()
    held_because: HoldReason | None = None


@dataclass(frozen=True)
class AttemptFailed:
    """An error was raised.

    Args:
        error: The error.
        is_final: Whether the job must not be tried again, whatever the error.
    """

    error: BrushworkError
    is_final: bool = False


@dataclass(frozen=True)
class AttemptStopped:
    """The job was told to stop.

    Args:
        signal: Why: it was canceled, its deadline passed, or its lease is lost.
    """

    signal: Signal


@dataclass(frozen=True)
class AttemptPostponed:
    """The model cannot be loaded soon enough to wait for it here.

    Args:
        after_s: Seconds until the job may be claimed again.
    """

    after_s: float


@dataclass(frozen=True)
class AttemptUnserved:
    """A service that the job needs is away. The attempt does not count.

    Args:
        error: The error of the service.
    """

    error: BrushworkError


AttemptResult = AttemptCompleted | AttemptFailed | AttemptStopped | AttemptPostponed | AttemptUnserved


class Outcome(StrEnum):
    """What became of an attempt, for the log and for Flower."""

    SUCCEEDED = "succeeded"
    HELD = "held for review"
    """The job has ended. Nobody is told of it before a reviewer has decided about the result."""
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    RETRIED = "to be run again"
    """The machine was at fault; the job is queued again."""
    LOST = "lost"
    """Another worker has the lease, or the ledger could not be reached; the result is discarded."""
    POSTPONED = "waits for its model in the queue"
    """The model cannot be loaded soon; the job is queued again without a charged attempt."""
    UNSERVED = "waits in the queue until a service answers"
    """The database or the store is away; the job is queued again without a charged attempt."""

    @property
    def is_repeated(self) -> bool:
        """Whether the job will be run again."""
        return self in (Outcome.RETRIED, Outcome.POSTPONED, Outcome.UNSERVED)

    @property
    def end_state(self) -> JobState | None:
        """The state in which the job has ended; None if it has not, or if nobody may know yet."""
        return _END_STATES.get(self)


_END_STATES = {
    Outcome.SUCCEEDED: JobState.SUCCEEDED,
    Outcome.FAILED: JobState.FAILED,
    Outcome.CANCELED: JobState.CANCELED,
    Outcome.EXPIRED: JobState.EXPIRED,
}
