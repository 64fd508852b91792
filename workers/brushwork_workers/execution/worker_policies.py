"""Policies in a worker, which decide for good: about the request before the first model call."""

from brushwork_core.ledger import Claim
from brushwork_core.policies import Action, PolicyRequest
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import Decided, PolicySet
from brushwork_schemas.warnings import ResultWarning, result_warning


class Verdict:
    """What policies have decided about one attempt so far.

    Args:
        request: The request of the job.
    """

    def __init__(self, request: PolicyRequest) -> None:
        self.request = request
        self.decided: list[Decided] = []

    def add(self, decided: list[Decided]) -> None:
        """Add decisions.

        Raises:
            PolicyRefused, PolicyFailed: One of them refuses.
        """
        self.decided += decided
        for each in decided:
            if each.error is not None:
                raise each.error

    @property
    def warnings(self) -> list[ResultWarning]:
        """The warnings that the result gets."""
        found = []
        for each in self.decided:
            if each.decision is not None and each.decision.action is Action.FLAG:
                field, reason = each.decision.field, each.decision.reason
                found.append(result_warning("policy_flagged", field, policy=each.policy, reason=reason))
        return found


class WorkerPolicies:
    """Asks the policies about the jobs of a worker.

    Args:
        policies: The policies.
        log: Records what they decide.
    """

    def __init__(self, policies: PolicySet, log: DecisionLog) -> None:
        self.policies = policies
        self.log = log

    def admit(self, claim: Claim) -> Verdict:
        """Ask about the request of a job.

        Raises:
            PolicyRefused: A policy refuses it.
            PolicyFailed: A policy could not decide, and the operator chose to refuse then.
        """
        verdict = Verdict(PolicyRequest(claim.kind, claim.model, claim.tenant, claim.request))
        self._add(verdict, self.policies.on_request(verdict.request), claim)
        return verdict

    def _add(self, verdict: Verdict, decided: list[Decided], claim: Claim) -> None:
        self.log.add(decided, claim.job_id)
        verdict.add(decided)
