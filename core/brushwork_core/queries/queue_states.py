"""How much waits and runs of each kind."""

from collections import Counter

from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.queue_state import QueueState

from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks


def queue_states(index: JobIndex, outlooks: Outlooks) -> list[QueueState]:
    """The queues of all kinds, of all tenants together.

    Args:
        index: Knows what runs.
        outlooks: Know what waits, and who is there.
    """
    running: Counter[str] = Counter()
    for one in index.running():
        running[one.kind] += one.num_jobs
    return [_state(outlooks, kind, running[kind]) for kind in all_kinds()]


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
