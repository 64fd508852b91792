"""Claims jobs for the free threads of a worker."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from brushwork_core.ledger import Claim, ClaimOrder, Claims, Ledger
from brushwork_schemas.errors import ServiceUnreachable

from brushwork_workers.dispatch.even_load import EvenLoad, Share
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.metrics import JobMetrics
from brushwork_workers.execution.service_patience import ServicePatience

LOGGER = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
_Otherwise = TypeVar("_Otherwise")


class JobClaimer:
    """Claims the jobs that are next in the backlog, and those that messages of older programs name.

    Args:
        ledger: Grants the attempts.
        order: Whose turn it is.
        worker: Name of this process in the ledger.
        patience: Repeats ledger calls while the database cannot be reached.
        gate: Entered for each claimed job, unless it has to be alone.
        metrics: Counts attempts.
        even_load: Leaves jobs to other workers.
    """

    def __init__(
        self,
        ledger: Ledger,
        order: ClaimOrder,
        worker: str,
        *,
        patience: ServicePatience,
        gate: ExclusiveGate,
        metrics: JobMetrics,
        even_load: EvenLoad,
    ) -> None:
        self._ledger = ledger
        self._order = order
        self._worker = worker
        self._patience = patience
        self._gate = gate
        self._metrics = metrics
        self._even_load = even_load
        self._sent: deque[str] = deque()

    def note_sent(self, job_id: str) -> None:
        """Note that an older program has sent a message of this job, which waits for nobody's turn."""
        self._sent.append(job_id)

    def claim(self, limit: int) -> Claims:
        """Claim up to `limit` jobs. There are none while the database cannot be reached."""
        sent = self._claim_sent(limit)
        left = limit - len(sent)
        share = self._answered(lambda: self._even_load.share(left), Share(left))
        order, number = self._order, share.number
        following = self._answered(lambda: self._ledger.claim_next(order, self._worker, number), Claims())
        more = share.again_s is None and following.more
        claims = self._begun((*sent, *following.jobs), more=more or bool(self._sent))
        return replace(claims, again_s=share.again_s)

    def claim_below_share(self, limit: int) -> Claims:
        """Claim up to `limit` jobs of tenants that run fewer jobs than their share."""
        order = self._order
        return self._begun(
            self._answered(lambda: self._ledger.claim_below_share(order, self._worker, limit), Claims()).jobs
        )

    def _begun(self, claims: tuple[Claim, ...], *, more: bool = False) -> Claims:
        # Before any of them runs: one that has to be alone waits for the others.
        num_alone = sum(claim.alone for claim in claims)
        self._gate.admit(len(claims) - num_alone, num_alone)
        for claim in claims:
            self._metrics.claimed(claim)
        return Claims(claims, more=more)

    def _claim_sent(self, limit: int) -> list[Claim]:
        if not self._sent:
            return []
        names = [self._sent.popleft() for _ in range(min(limit, len(self._sent)))]
        claims = self._answered(lambda: self._ledger.claim_sent(names, self._worker), None)
        if claims is None:
            # The ledger did not answer. These have no other message.
            self._sent.extendleft(reversed(names))
            return []
        for _ in range(len(names) - len(claims)):
            self._metrics.dropped()
        return claims

    def _answered(self, call: Callable[[], _Answer], otherwise: _Otherwise) -> _Answer | _Otherwise:
        try:
            return self._patience.ask(call)
        except ServiceUnreachable as error:
            LOGGER.error("No jobs can be claimed: %s", error)
            return otherwise
