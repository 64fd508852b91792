"""Limits on the number of jobs: queued jobs of a kind, and open jobs of a tenant."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from brushwork_core.access.api_keys import ApiKey
from brushwork_core.queries.open_jobs import OpenJobs
from brushwork_schemas.errors import QueueFull

from brushwork.gateway.admission.job_cost import JobCost

# Retry-After of a full queue, in seconds.
QUEUE_RETRY_S = 5.0


class Capacity:
    """Checks the limits. Jobs that are being written count too; else parallel requests could exceed a limit.

    Each gateway process knows only its own such jobs, so several gateways may exceed a limit by a few jobs.

    Args:
        open_jobs: Counts jobs in the ledger.
        max_queued: Most queued jobs of a kind; None means no limit.
    """

    def __init__(self, open_jobs: OpenJobs, max_queued: int | None) -> None:
        self._open_jobs = open_jobs
        self._max_queued = max_queued
        self._lock = threading.Lock()
        self._num_reserved_of_kind: Counter[str] = Counter()
        self._num_reserved_of_tenant: Counter[str] = Counter()

    @contextmanager
    def reserved(self, key: ApiKey | None, jobs: Sequence[JobCost]) -> Iterator[None]:
        """Count jobs as open inside the `with` block, which writes them.

        Args:
            key: API key of the request, whose limit of open jobs applies; None if the gateway is open.
            jobs: The new jobs.

        Raises:
            QueueFull: The jobs would exceed a limit.
        """
        of_kind = Counter(job.kind for job in jobs)
        of_tenant = Counter(job.tenant for job in jobs)
        with self._lock:
            self._num_reserved_of_kind += of_kind
            self._num_reserved_of_tenant += of_tenant
            reserved_of_kind = {kind: self._num_reserved_of_kind[kind] for kind in of_kind}
            reserved_of_tenant = {tenant: self._num_reserved_of_tenant[tenant] for tenant in of_tenant}
        try:
            self._check_queues(reserved_of_kind)
            self._check_tenants(key, reserved_of_tenant)
            yield
        finally:
            with self._lock:
                self._num_reserved_of_kind -= of_kind
                self._num_reserved_of_tenant -= of_tenant

    def _check_queues(self, reserved: dict[str, int]) -> None:
        if (most := self._max_queued) is None:
            return
        for kind, num_reserved in reserved.items():
            if self._open_jobs.queued(kind, at_most=most + 1) + num_reserved > most:
                raise _full(f"The queue of {kind} is full. Its limit is {most} jobs.")

    def _check_tenants(self, key: ApiKey | None, reserved: dict[str, int]) -> None:
        if key is None or (most := key.max_open_jobs) is None:
            return
        for tenant, num_reserved in reserved.items():
            if self._open_jobs.open(tenant, at_most=most + 1) + num_reserved > most:
                raise _full(f"Too many open jobs. The limit of this API key is {most} for its tenant.")


def _full(reason: str) -> QueueFull:
    return QueueFull(reason, retry_after_s=QUEUE_RETRY_S, hint="Try again when jobs have ended.")
