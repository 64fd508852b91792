"""Whether more jobs find room: in the queue of their kind, and among the open jobs of their tenant."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from brushwork_core.access.api_keys import ApiKey
from brushwork_core.queries.open_jobs import OpenJobs
from brushwork_schemas.errors import QueueFull

from brushwork.gateway.admission.job_cost import JobCost

# A queue that is full has some room again about so soon.
QUEUE_RETRY_S = 5.0


class Capacity:
    """Lets jobs in. Those on their way to the ledger count, or many at once would find the last place.

    Of several gateways each knows only its own: together they may let in a few more.

    Args:
        open_jobs: Counts what the ledger holds.
        max_queued: Most jobs of a kind that may wait; None is without bound.
    """

    def __init__(self, open_jobs: OpenJobs, max_queued: int | None) -> None:
        self._open_jobs = open_jobs
        self._max_queued = max_queued
        self._lock = threading.Lock()
        self._kinds: Counter[str] = Counter()
        self._tenants: Counter[str] = Counter()

    @contextmanager
    def taken(self, key: ApiKey | None, asked: Sequence[JobCost]) -> Iterator[None]:
        """Hold the places of these jobs until they are written.

        Raises:
            QueueFull: There are too few.
        """
        kinds = Counter(each.kind for each in asked)
        tenants = Counter(each.tenant for each in asked)
        with self._lock:
            self._kinds += kinds
            self._tenants += tenants
            all_kinds, all_tenants = self._kinds.copy(), self._tenants.copy()
        try:
            self._check_queues({kind: all_kinds[kind] for kind in kinds})
            self._check_tenants(key, {tenant: all_tenants[tenant] for tenant in tenants})
            yield
        finally:
            with self._lock:
                self._kinds -= kinds
                self._tenants -= tenants

    def _check_queues(self, coming: dict[str, int]) -> None:
        if (most := self._max_queued) is None:
            return
        for kind, more in coming.items():
            if self._open_jobs.queued(kind, at_most=most + 1) + more > most:
                raise _full(f"At most {most} jobs of {kind} may wait.")

    def _check_tenants(self, key: ApiKey | None, coming: dict[str, int]) -> None:
        if key is None or (most := key.max_open_jobs) is None:
            return
        for tenant, more in coming.items():
            if self._open_jobs.open(tenant, at_most=most + 1) + more > most:
                raise _full(f"By this key, at most {most} jobs of its tenant may be open at once.")


def _full(reason: str) -> QueueFull:
    return QueueFull(reason, retry_after_s=QUEUE_RETRY_S, hint="Wait: workers make room.")
