"""The states of a job, and all transitions between them.

```mermaid
stateDiagram-v2
    [*] --> queued: submit
    [*] --> failed: refuse (invalid bare message)
    [*] --> canceled: submit_ended (bare message, revoked before)
    [*] --> expired: submit_ended (bare message, expired before)
    queued --> running: claim_next, claim
    queued --> running: claim_sent (message of an older program)
    running --> queued: reap (worker lost), retry, release (worker stops, model not loaded soon, service away)
    running --> succeeded: complete, complete_many
    succeeded --> failed: refuse (a reviewer refuses a held result)
    running --> failed: fail, retry (attempts used up), reap (attempts used up)
    running --> canceled: stop, retry, release, reap (each after a cancel request)
    queued --> canceled: cancel, revoke (came as a bare message)
    queued --> expired: expire_queued (deadline passed)
    running --> expired: expire (deadline passed), reap (deadline passed)
```
"""

from enum import StrEnum


class JobState(StrEnum):
    """State of a job. Each member names the transitions that lead to it."""

    QUEUED = "queued"
    """Stored, and waiting for a worker. Set by submit, reap, retry and release."""
    RUNNING = "running"
    """A worker has its lease. Set by claim_next, claim and claim_sent."""
    SUCCEEDED = "succeeded"
    """Its result is stored; it may be held for a review. Set by complete and complete_many. Terminal."""
    FAILED = "failed"
    """It has an error and no result. Set by fail, reap, retry and refuse. Terminal."""
    CANCELED = "canceled"
    """Its caller canceled it. Set by cancel; for a running job by stop, reap, retry and release. Terminal."""
    EXPIRED = "expired"
    """Its deadline passed first. Set by expire, expire_queued and reap. Terminal."""

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended. Then its state changes only if a reviewer refuses a held result."""
        return self not in (JobState.QUEUED, JobState.RUNNING)
