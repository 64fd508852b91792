"""The states of all queues."""

from collections import Counter

from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.queue_state import QueueState

from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks


def queue_states(index: JobIndex, outlooks: Outlooks) -> list[QueueState]:
    """Return the state of the queue of each kind, over all tenants.

    Args:
        index: Source of the running jobs.
        outlooks: Source of the queued jobs and the workers.
    """
    running: Counter[str] = Counter()
    for count in index.running():
        running[count.kind] += count.num_jobs
    return [_state(outlooks, kind, running[kind]) for kind in all_kinds()]


def _state(outlooks: Outlooks, kind: str, running: int) -> QueueState:
    queue = outlooks.queue(kind)
    return QueueState(
        kind=kind,
        in_redis=len(queue.dispatched),
        in_ledger=queue.num_waiting,
        running=running,
        oldest_s=queue.oldest_s,
        workers=len(outlooks.serving(kind)),
    )
