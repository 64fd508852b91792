"""What became of an attempt."""

from enum import StrEnum


class Outcome(StrEnum):
    """What became of an attempt, for the log and for Flower."""

    SUCCEEDED = "succeeded"
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
