"""How much waits and runs of each kind."""

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.database import Database
from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.kinds import KINDS
from brushwork_schemas.outlook import Outlooks


class QueueState(BaseModel):
    """The queue of one kind."""

    model_config = ConfigDict(frozen=True)

    kind: str
    in_redis: int = Field(description="Queued jobs whose message is sent; they go first.")
    in_ledger: int = Field(description="Queued jobs without a message; of each tenant 10,000 are counted.")
    running: int
    oldest_s: float | None = Field(None, description="How long the oldest waits of those who are next.")
    workers: int = Field(description="Those that are ready and were heard of lately.")


def queue_states(database: Database, *, fresh_s: float) -> list[QueueState]:
    """The queues of all kinds.

    Args:
        database: Where the jobs are.
        fresh_s: A worker that was silent for longer counts as gone.
    """
    running: Counter[str] = Counter()
    for one in JobIndex(database).running():
        running[one.kind] += one.num_jobs
    outlooks = Outlooks(database, fresh_s=fresh_s)
    return [_state(outlooks, kind, running[kind]) for kind in KINDS]


def _state(outlooks: Outlooks, kind: str, running: int) -> QueueState:
    line = outlooks.line(kind)
    return QueueState(
        kind=kind,
        in_redis=len(line.dispatched),
        in_ledger=line.num_waiting,
        running=running,
        oldest_s=line.oldest_s,
        workers=len(outlooks.serving(kind)),
    )
