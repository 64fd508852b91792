"""Records what policies decide: in the audit log, and in a metric."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from brushwork_core.audit.audit_log import AuditAction, AuditLog, Record
from brushwork_core.policies.policy_set import Decided


class DecisionLog:
    """Counts decisions, and adds them to the audit log. Safe to use from any thread.

    Args:
        log: The audit log; None to count only.
        on_lost: Called with a number of records that could not be stored.
    """

    def __init__(
        self, log: AuditLog | None = None, on_lost: Callable[[int], None] = lambda number: None
    ) -> None:
        self._log = log
        self._on_lost = on_lost
        self._lock = Lock()
        self._counts = Counter[tuple[str, str]]()

    def add(self, decided: Sequence[Decided], job_id: str | None = None) -> None:
        """Record decisions.

        Args:
            decided: The decisions.
            job_id: Id of the job, if there is one already.
        """
        if not decided:
            return
        with self._lock:
            self._counts.update((each.policy, each.action) for each in decided)
        records = [record_of(each, job_id) for each in decided]
        if self._log is not None and not self._log.add(*records):
            self._on_lost(len(records))

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of decisions by policy and action."""
        with self._lock:
            return dict(self._counts)


def record_of(decided: Decided, job_id: str | None) -> Record:
    """Return the record of a decision. It has nothing of the content of the request."""
    request = decided.request
    return Record(
        AuditAction.POLICY_DECIDED,
        () if job_id is None else (job_id,),
        request.tenant,
        outcome=decided.action,
        detail={"policy": decided.policy, "stage": decided.stage.value, "kind": request.kind},
    )


class DecisionMetrics(Collector):
    """The number of decisions by policy and action.

    Args:
        log: Counts them.
    """

    def __init__(self, log: DecisionLog) -> None:
        self._log = log

    def collect(self) -> Iterable[Metric]:
        """Yield the counter."""
        found = CounterMetricFamily(
            "brushwork_policy_decisions",
            "Decisions of policies, by policy and action. `failed`: the policy raised an exception or took "
            "too long.",
            labels=("policy", "action"),
        )
        for (policy, action), number in sorted(self._log.counts().items()):
            found.add_metric((policy, action), number)
        yield found
