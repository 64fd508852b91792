"""The states of a job: a closed set, and the only moves between them.

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
    """Where a job stands; each member says who moves a job there."""

    QUEUED = "queued"
    """Accepted and durable, waiting for a worker. Set by submit, adopt, reap, retry and release."""
    RUNNING = "running"
    """A worker holds its lease. Set by claim."""
    SUCCEEDED = "succeeded"
    """Its result is stored. Set by complete; never changes."""
    FAILED = "failed"
    """It has an error instead of a result. Set by fail and reap; never changes."""
    CANCELED = "canceled"
    """Its caller withdrew it. Set by cancel, or by the worker that saw the wish; never changes."""
    EXPIRED = "expired"
    """Its deadline passed first. Set by expire and reap; never changes."""

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended; a terminal state never changes."""
        return self not in (JobState.QUEUED, JobState.RUNNING)
