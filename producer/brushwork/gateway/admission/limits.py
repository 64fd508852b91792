"""What stands between a key and the queue: its rate, room in the queue, and its budget of the day."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from brushwork_core.access.api_keys import ApiKey
from brushwork_core.access.key_usage import Charge, KeyUsage, Usage
from brushwork_core.database.database import Database
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.open_jobs import OpenJobs
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import InvalidRequest, ServiceUnreachable

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.capacity import Capacity
from brushwork.gateway.admission.job_cost import JobCost
from brushwork.gateway.admission.rate import Allowance, Rate
from brushwork.transports.direct import Accepted


class KeyLimits:
    """Refuses what goes beyond a bound, with 429 and Retry-After, before anything is accepted.

    Args:
        settings: The bounds of all, and where Redis is.
        database: Where jobs and usage are.
        index: Finds the jobs of idempotency keys.
    """

    def __init__(self, settings: Settings, database: Database, index: JobIndex) -> None:
        self._settings = settings
        self._rate = Rate(settings)
        self._room = Capacity(OpenJobs(database), settings.max_queued)
        self._index = index
        self._usage = KeyUsage(database)
        self._catalogue = Catalogue.load(settings.catalogue)

    def count(self, key: ApiKey | None) -> Allowance | None:
        """Count one request of a key; None where its rate has no bound.

        Raises:
            RateLimited: It is one too many.
        """
        if key is None or key.requests_per_minute is None:
            return None
        return self._rate.count(key.id, key.requests_per_minute)

    @contextmanager
    def admit(self, principal: Principal, requests: Sequence[Any]) -> Iterator["AdmittedJobs"]:
        """Let requests pass to the submit inside this context, and charge them; if it raises, nothing.

        Requests that are wrong pass too: the submit says what is wrong with them.

        Args:
            principal: Who asks.
            requests: As for `submit_many`, each with the tenant that its job will have.

        Raises:
            InvalidRequest: One costs more than any may.
            QueueFull: Too many jobs wait already, of a kind or of the key's tenant.
            BudgetExceeded: The key's budget does not hold them.
        """
        is_bounded = (
            principal.key or self._settings.max_queued is not None or self._settings.max_job_cost is not None
        )
        with ExitStack() as places:
            admission = (
                self._admitted(principal.key, requests, places) if is_bounded else self._charged(None, {})
            )
            try:
                yield admission
            except BaseException:
                admission.refund()
                raise

    def close(self) -> None:
        """Close the connections."""
        self._rate.close()

    def _admitted(self, key: ApiKey | None, requests: Sequence[Any], places: ExitStack) -> "AdmittedJobs":
        asked = {place: JobCost.by(request, self._catalogue) for place, request in enumerate(requests)}
        right = {place: each for place, each in asked.items() if each is not None}
        self._check_costs(key, right, len(requests))
        new = self._without_repeats(right)
        places.enter_context(self._room.taken(key, list(new.values())))
        return self._charged(key, {place: each.cost for place, each in new.items()})

    def _check_costs(self, key: ApiKey | None, asked: Mapping[int, JobCost], count: int) -> None:
        budget = key.daily_budget if key else None
        bounds = [bound for bound in (self._settings.max_job_cost, budget) if bound is not None]
        for place, each in asked.items():
            if each.cost > min(bounds, default=math.inf):
                error = InvalidRequest(
                    f"The job takes {each.cost:g} megapixels x steps; {min(bounds):g} are allowed.",
                    hint="Ask for fewer or smaller pictures, or for fewer steps.",
                )
                error.index = place if count > 1 else None
                raise error

    def _without_repeats(self, asked: Mapping[int, JobCost]) -> dict[int, JobCost]:
        """Without those whose idempotency keys stand for a job already: they only get it again."""
        keys: dict[str, list[str]] = {}
        for each in asked.values():
            if each.idempotency_key is not None:
                keys.setdefault(each.tenant, []).append(each.idempotency_key)
        known = {(tenant, key) for tenant in keys for key in self._index.ids_of_keys(tenant, keys[tenant])}
        return {
            place: each for place, each in asked.items() if (each.tenant, each.idempotency_key) not in known
        }

    def _charged(self, key: ApiKey | None, costs: Mapping[int, float]) -> "AdmittedJobs":
        if key is None or not costs:
            return AdmittedJobs(self._usage, None, costs)
        usage = Usage(len(costs), sum(costs.values()))
        return AdmittedJobs(self._usage, self._usage.charge(key.id, usage, budget=key.daily_budget), costs)


class AdmittedJobs:
    """Requests that may pass, and what was charged for them.

    Args:
        usage: Where it was charged.
        charge: None where nobody was charged.
        costs: The parts of the charge, by the requests' places.
    """

    def __init__(self, usage: KeyUsage, charge: Charge | None, costs: Mapping[int, float]) -> None:
        self._usage = usage
        self._charge = charge
        self._costs = costs

    def settle(self, accepted: Accepted) -> None:
        """Take back what was charged for jobs that another request of the same key was first to bring."""
        left, back = set(accepted.new), []
        for place, cost in self._costs.items():
            if accepted.jobs[place].id in left:
                left.remove(accepted.jobs[place].id)
            else:
                back.append(cost)
        if back:
            self.refund(Usage(len(back), sum(back)))

    def refund(self, part: Usage | None = None) -> None:
        """Take back all of the charge, or a part. Where the database is gone, it stays."""
        if self._charge is not None:
            with suppress(ServiceUnreachable):
                self._usage.refund(self._charge, part)
