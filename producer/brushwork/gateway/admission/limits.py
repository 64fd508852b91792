"""The limits of an API key and of the queues: request rate, number of jobs, cost of a job, daily budget."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from brushwork_core.access.api_keys import ApiKey
from brushwork_core.access.key_usage import Charge, KeyUsage, Usage
from brushwork_core.audit.audit_log import AuditLog
from brushwork_core.database.database import Database
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.open_jobs import OpenJobs
from brushwork_core.queries.stored_bytes import StoredBytes
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest, ServiceUnreachable
from brushwork_schemas.wording.phrase import said

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.capacity import Capacity
from brushwork.gateway.admission.job_cost import JobCost
from brushwork.gateway.admission.rate import Allowance, Rate
from brushwork.gateway.admission.request_audit import RequestAudit
from brushwork.gateway.admission.storage_quota import StorageQuota, num_bytes_of
from brushwork.inputs.intake import JobDraft
from brushwork.transports.direct import Accepted


class KeyLimits:
    """Refuses requests that exceed a limit, before anything of them is stored.

    Args:
        settings: Limits of all keys, and the address of Redis.
        database: Database with jobs and usage.
        index: Finds the jobs of idempotency keys.
        audit: Records which keys a limit refuses; by default one of its own.
    """

    def __init__(
        self, settings: Settings, database: Database, index: JobIndex, audit: RequestAudit | None = None
    ) -> None:
        self._audit = audit or RequestAudit(AuditLog(database), TenantFiles(database))
        self._settings = settings
        self._rate = Rate(settings)
        self._capacity = Capacity(OpenJobs(database), settings.max_queued)
        self._index = index
        self._usage = KeyUsage(database)
        self._storage = StorageQuota(StoredBytes(database).of, settings.max_stored_bytes)

    def count(self, key: ApiKey) -> Allowance | None:
        """Count one request of an API key, and return what is left; None if its rate has no limit.

        Raises:
            RateLimited: The key has used up its requests of this minute.
        """
        if key.requests_per_minute is None:
            return None
        with self._audit.refusals():
            return self._rate.count(key.id, key.requests_per_minute)

    @contextmanager
    def storing(self, principal: Principal, num_bytes: int) -> Iterator[None]:
        """Check the quota of stored bytes. The `with` block stores an upload of so many bytes.

        Raises:
            QuotaExceeded: The files of the tenant would exceed the quota.
        """
        tenant = principal.key.tenant if principal.key else ""
        with ExitStack() as reservation:
            with self._audit.refusals():
                reservation.enter_context(self._storage.storing(principal.key, tenant, num_bytes))
            yield

    @contextmanager
    def admit(self, principal: Principal, drafts: Sequence[JobDraft]) -> Iterator["ChargedJobs"]:
        """Check the limits and charge the API key. The `with` block writes the jobs.

        If the block raises, the charge is refunded.

        Args:
            principal: Who makes the request.
            drafts: The validated requests, each with the tenant of its job.

        Raises:
            InvalidRequest: A job costs more than a single job may.
            QueueFull: Too many jobs of a kind are queued, or too many of the tenant are open.
            BudgetExceeded: The rest of the key's daily budget is too small.
            QuotaExceeded: The stored files of a tenant have reached the quota, or would exceed it.
        """
        key = principal.key
        costs = dict(enumerate(JobCost.of(draft) for draft in drafts))
        self._check_costs(key, costs)
        with ExitStack() as reservation:
            charged = ChargedJobs(self._usage, None, {})
            of_all = (self._settings.max_queued, self._settings.max_stored_bytes)
            if key or any(limit is not None for limit in of_all):
                new = self._without_repeated(costs)
                with self._audit.refusals():
                    for tenant, num_bytes in _file_bytes([drafts[index] for index in new]).items():
                        reservation.enter_context(self._storage.storing(key, tenant, num_bytes))
                    reservation.enter_context(self._capacity.reserved(key, list(new.values())))
                    charged = self._charged(key, {index: job.cost for index, job in new.items()})
            try:
                yield charged
            except BaseException:
                charged.refund()
                raise

    def close(self) -> None:
        """Close the connections."""
        self._rate.close()

    def _check_costs(self, key: ApiKey | None, costs: Mapping[int, JobCost]) -> None:
        budget = key.daily_budget if key else None
        limit = min(
            (each for each in (self._settings.max_job_cost, budget) if each is not None), default=math.inf
        )
        for index, job in costs.items():
            if job.cost > limit:
                error = InvalidRequest(
                    said(
                        "The job costs {cost:g} megapixels x steps, more than the limit of {limit:g}.",
                        cost=job.cost,
                        limit=limit,
                    ),
                    hint="Request fewer or smaller pictures, or fewer steps.",
                )
                error.index = index if len(costs) > 1 else None
                raise error

    def _without_repeated(self, costs: Mapping[int, JobCost]) -> dict[int, JobCost]:
        """Leave out requests whose idempotency key has a job already: they get this job and cost nothing."""
        keys: dict[str, list[str]] = {}
        for job in costs.values():
            if job.idempotency_key is not None:
                keys.setdefault(job.tenant, []).append(job.idempotency_key)
        known = {(tenant, key) for tenant in keys for key in self._index.ids_of_keys(tenant, keys[tenant])}
        return {index: job for index, job in costs.items() if (job.tenant, job.idempotency_key) not in known}

    def _charged(self, key: ApiKey | None, costs: Mapping[int, float]) -> "ChargedJobs":
        if key is None or not costs:
            return ChargedJobs(self._usage, None, costs)
        usage = Usage(len(costs), sum(costs.values()))
        return ChargedJobs(self._usage, self._usage.charge(key.id, usage, budget=key.daily_budget), costs)


def _file_bytes(drafts: Sequence[JobDraft]) -> Counter[str]:
    """Return the bytes of the files that come with requests, by tenant. A shared file counts once."""
    counted, found = set(), Counter[str]()
    for draft in drafts:
        found[draft.options.tenant] += 0
        for file in draft.files.values():
            if id(file) not in counted and not isinstance(file, str):
                counted.add(id(file))
                found[draft.options.tenant] += num_bytes_of(file)
    return found


class ChargedJobs:
    """Requests within the limits, and what an API key was charged for them.

    Args:
        usage: The usage of API keys.
        charge: The charge; None if no key was charged.
        costs: Cost of each charged request, by its index.
    """

    def __init__(self, usage: KeyUsage, charge: Charge | None, costs: Mapping[int, float]) -> None:
        self._usage = usage
        self._charge = charge
        self._costs = costs

    def settle(self, accepted: Accepted) -> None:
        """Refund requests whose job a parallel request with the same idempotency key has written."""
        new, refunded = set(accepted.new), []
        for index, cost in self._costs.items():
            if accepted.jobs[index].id in new:
                new.remove(accepted.jobs[index].id)
            else:
                refunded.append(cost)
        if refunded:
            self.refund(Usage(len(refunded), sum(refunded)))

    def refund(self, part: Usage | None = None) -> None:
        """Refund the charge, or a part of it. If the database does not answer, the charge stays."""
        if self._charge is not None:
            with suppress(ServiceUnreachable):
                self._usage.refund(self._charge, part)
