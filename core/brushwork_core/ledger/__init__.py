"""The ledger: all changes of a job's state. Each change is one guarded UPDATE; no other module changes a job.

A *lease* is the right of a worker to run a job until a time by the database's clock. The *fence* (a fencing
token) is a number that each claim and each reap increases. A worker writes with the fence of its claim, so a
worker that lost its lease changes nothing, even if it was frozen and wakes up later.
"""

from brushwork_core.ledger.attempts import Attempts
from brushwork_core.ledger.backlog import Backlog, Claims
from brushwork_core.ledger.claim_order import ClaimOrder
from brushwork_core.ledger.records import (
    STALLED,
    WORKER_LOST,
    CeleryMessage,
    Claim,
    Completion,
    HoldReason,
    NewJob,
    Reaped,
    Signal,
    Submitted,
    WakeUp,
    WriteOutcome,
)
from brushwork_core.ledger.recovery import Recovery

__all__ = [
    "STALLED",
    "WORKER_LOST",
    "CeleryMessage",
    "Claim",
    "ClaimOrder",
    "Claims",
    "Completion",
    "HoldReason",
    "Ledger",
    "NewJob",
    "Reaped",
    "Signal",
    "Submitted",
    "WakeUp",
    "WriteOutcome",
]


class Ledger(Attempts, Backlog, Recovery):
    """All transitions: `JobIntake` for callers, `Attempts` for workers, `Backlog` and `Recovery` for both.

    Args:
        database: Database of the ledger.
        lease_s: Seconds for which a claim or a renewal is valid.
        is_stored: Returns whether the store has a file, for files that no other job refers to.
    """
