"""Creates the threads that claim and run jobs."""

from collections.abc import Callable, Sequence

from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Claim, ClaimOrder
from brushwork_core.queries.ttl_cache import TtlCache
from brushwork_core.queries.worker_load import WorkerLoads

from brushwork_workers.dispatch.even_load import EvenLoad
from brushwork_workers.dispatch.job_claimer import JobClaimer
from brushwork_workers.dispatch.job_pool import JobPool, Run
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.metrics import JobMetrics
from brushwork_workers.execution.service_health import ServiceHealth
from brushwork_workers.execution.service_patience import ServicePatience
from brushwork_workers.process.services import WorkerServices

# The number of other workers is read again after so long.
KEEP_S = 2.0


class JobThreads:
    """A pool of job threads and what they claim jobs with.

    Args:
        services: The ledger and the worker registry.
        worker: Name of this process in the ledger.
        kinds: The kinds that it serves.
        concurrency: How many jobs it runs at a time.
        run: Runs claimed jobs in one thread; see `JobPool`.
        divided: Chooses which claimed jobs run in one thread.
        health: No job is claimed while a service is away that every job needs.
        patience: Repeats ledger calls while the database cannot be reached.
        gate: Lets one job run alone.
        metrics: Counts attempts.
        lease_s: Seconds without a heartbeat after which another worker does not count.
        wake_others: Wakes other workers for jobs that are left to them.
    """

    def __init__(
        self,
        services: WorkerServices,
        worker: str,
        kinds: Sequence[str],
        *,
        concurrency: int,
        run: Run,
        divided: Callable[[Sequence[Claim]], Sequence[Sequence[Claim]]],
        health: ServiceHealth,
        patience: ServicePatience,
        gate: ExclusiveGate,
        metrics: JobMetrics,
        lease_s: float,
        wake_others: Callable[[], None],
    ) -> None:
        self._health = health
        self._gate = gate
        others = TtlCache(lambda: _num_others(services.worker_registry, worker, kinds, lease_s), KEEP_S)
        self.claimer = JobClaimer(
            services.ledger,
            ClaimOrder(kinds),
            worker,
            patience=patience,
            gate=gate,
            metrics=metrics,
            even_load=EvenLoad(
                WorkerLoads(services.database),
                worker,
                kinds,
                num_others=others.get,
                wake_others=wake_others,
            ),
        )
        self.pool = JobPool(
            concurrency,
            self.claimer.claim,
            run,
            may_claim=self._may_claim,
            claim_spare=self.claimer.claim_below_share,
            divided=divided,
        )

    def _may_claim(self) -> bool:
        return self._health.takes_work and not self._gate.is_closed


def _num_others(registry: WorkerRegistry, worker: str, kinds: Sequence[str], lease_s: float) -> int:
    return sum(
        seen.ready
        and seen.name != worker
        and seen.silent_s < lease_s
        and not set(kinds).isdisjoint(seen.kinds)
        for seen in registry.workers()
    )
