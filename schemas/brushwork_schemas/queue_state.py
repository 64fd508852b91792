"""How much waits and runs of each kind."""

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.kinds import KINDS
from brushwork_schemas.line import MOST_COUNTED
from brushwork_schemas.outlook import Outlooks


class QueueState(BaseModel):
    """The queue of one kind."""

    model_config = ConfigDict(frozen=True)

    kind: str
    in_redis: int = Field(description="Queued jobs whose message is sent and not taken yet; they go first.")
    in_ledger: int = Field(
        description="Queued jobs that have no message yet; of each tenant at most "
        f"{MOST_COUNTED:,} are counted."
    )
    running: int = Field(description="Jobs that run now.")
    oldest_s: float | None = Field(
        None, description="How long the oldest waits of those whose turn is next; null where nobody waits."
    )
    workers: int = Field(description="Workers of this kind that are ready and were heard of lately.")


def queue_states(index: JobIndex, outlooks: Outlooks) -> list[QueueState]:
    """The queues of all kinds, of all tenants together.

    Args:
        index: Knows what runs.
        outlooks: Know what waits, and who is there.
    """
    running: Counter[str] = Counter()
    for one in index.running():
        running[one.kind] += one.num_jobs
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
