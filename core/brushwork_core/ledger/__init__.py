"""The ledger: every change of a job's state, each one guarded UPDATE. Nothing outside changes a job.

A *lease* is a worker's right to run a job until a time by the database's clock. The *fence* is a number
that every claim and every reap raises; a worker writes only with the fence of its claim, so one that lost
its lease changes nothing, however late it wakes.
"""

from brushwork_core.ledger.attempts import Attempts
from brushwork_core.ledger.backlog import Backlog
from brushwork_core.ledger.records import (
    STALLED,
    WORKER_LOST,
    Claim,
    Dispatch,
    NewJob,
    Reaped,
    Signal,
    Submitted,
    WriteOutcome,
)
from brushwork_core.ledger.recovery import Recovery

__all__ = [
    "STALLED",
    "WORKER_LOST",
    "Claim",
    "Dispatch",
    "Ledger",
    "NewJob",
    "Reaped",
    "Signal",
    "Submitted",
    "WriteOutcome",
]


class Ledger(Attempts, Backlog, Recovery):
    """All transitions: `Intake` for callers, `Attempts` for workers, `Backlog` and `Recovery` for both.

    Args:
        database: Where the tables are.
        lease_s: How long a claim or renewal lasts.
    """
