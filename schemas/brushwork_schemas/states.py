"""The states of a job, and all transitions between them.

```mermaid
stateDiagram-v2
    [*] --> queued: submit, adopt
    queued --> running: claim
    running --> queued: reap (worker lost), retry, release
    running --> succeeded: complete
    running --> failed: fail, reap (attempts used up)
    running --> canceled: stop, after the caller's cancel
    queued --> canceled: cancel
    queued --> expired: expire (deadline passed)
    running --> expired: expire, reap (deadline passed)
```
"""

from enum import StrEnum


class JobState(StrEnum):
    """State of a job. Each member names the transitions that lead to it."""

    QUEUED = "queued"
    """Stored, and waiting for a worker. Set by submit, adopt, reap, retry and release."""
    RUNNING = "running"
    """A worker has its lease. Set by claim."""
    SUCCEEDED = "succeeded"
    """Its result is stored. Set by complete. Terminal."""
    FAILED = "failed"
    """It has an error and no result. Set by fail, reap and retry. Terminal."""
    CANCELED = "canceled"
    """Its caller canceled it. Set by cancel; for a running job by stop, reap, retry and release. Terminal."""
    EXPIRED = "expired"
    """Its deadline passed first. Set by expire and reap. Terminal."""

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended. A terminal state never changes."""
        return self not in (JobState.QUEUED, JobState.RUNNING)
