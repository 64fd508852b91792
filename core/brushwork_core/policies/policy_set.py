"""All policies of a process, and how they are asked."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brushwork_schemas.admission import Admitted
from brushwork_schemas.errors import BrushworkError, PolicyFailed, PolicyRefused
from brushwork_schemas.wording.phrase import said

from brushwork_core.policies import Action, Decision, PolicyRequest, PolicyResult, Stage
from brushwork_core.policies.decision import worded
from brushwork_core.policies.policy_file import ConfiguredPolicy, read_policies
from brushwork_core.policies.time_limit import TimeLimit

LOGGER = logging.getLogger(__name__)
FAILED = "failed"


@dataclass(frozen=True)
class Decided:
    """A decision of a policy, or its failure.

    Args:
        policy: Name of the policy.
        stage: When it was asked.
        request: What it was asked about.
        decision: What it decided; None if it failed.
        is_allowed: Whether the operator chose to allow what the failed policy was asked about.
    """

    policy: str
    stage: Stage
    request: PolicyRequest
    decision: Decision | None
    is_allowed: bool = False

    @property
    def action(self) -> str:
        """The action, or `failed`."""
        return self.decision.action.value if self.decision else FAILED

    @property
    def error(self) -> BrushworkError | None:
        """The error with which a request is refused, or its job fails; None if it may go on."""
        if self.decision is None:
            return None if self.is_allowed else _failed(self.policy)
        if self.decision.action is not Action.REFUSE:
            return None
        return PolicyRefused(
            said("Refused by the policy {policy}: {reason}", policy=self.policy, reason=self.decision.reason),
            field=self.decision.field,
            hint=said("Change the request, or ask the operator of this service."),
        )


class PolicySet:
    """The policies of the operator. Safe to use from any thread.

    Args:
        policies: The policies, in the order in which they are asked.
    """

    def __init__(self, policies: Sequence[ConfiguredPolicy] = ()) -> None:
        self._policies = tuple(policies)
        self._limits = {each.name: TimeLimit(each.table.time_limit_s) for each in policies}

    @classmethod
    def load(cls, file: Path | None) -> "PolicySet":
        """Return the policies of a file; none without a file.

        Raises:
            InvalidRequest: The file cannot be read. The message names file, table and field.
        """
        return cls(() if file is None else read_policies(file))

    def __bool__(self) -> bool:
        return bool(self._policies)

    @property
    def models(self) -> frozenset[str]:
        """Names of all classifiers whose scores a policy reads."""
        return frozenset(model for each in self._policies for model in each.models)

    def models_for(self, request: PolicyRequest) -> dict[str, list[str]]:
        """Return the labels that are read about the result of a request, by the name of the classifier."""
        found: dict[str, list[str]] = {}
        for each in self._asked(request):
            for model, labels in each.models.items():
                known = found.setdefault(model, [])
                known += [label for label in labels if label not in known]
        return found

    def judges_results(self, request: PolicyRequest) -> bool:
        """Return whether a policy might decide about the result of a request."""
        return any(each.policy.reads_results for each in self._asked(request))

    def on_request(self, request: PolicyRequest) -> list[Decided]:
        """Ask the policies about a request.

        Returns:
            The decisions; the last one has an error if the request is refused.
        """
        return self._decided(Stage.REQUEST, request, lambda each: each.policy.check_request(request))

    def on_result(self, result: PolicyResult) -> list[Decided]:
        """Ask the policies about a result; see `on_request`."""
        return self._decided(Stage.RESULT, result.request, lambda each: each.policy.check_result(result))

    def _asked(self, request: PolicyRequest) -> Iterator[ConfiguredPolicy]:
        return (each for each in self._policies if each.table.applies_to(request.kind, request.tenant))

    def _decided(
        self, stage: Stage, request: PolicyRequest, ask: Callable[[ConfiguredPolicy], Decision | None]
    ) -> list[Decided]:
        found: list[Decided] = []
        for each in self._asked(request):
            one = self._one(stage, request, each, ask)
            found += [one] if one else []
            if one and one.error:
                break
        return found

    def _one(
        self,
        stage: Stage,
        request: PolicyRequest,
        asked: ConfiguredPolicy,
        ask: Callable[[ConfiguredPolicy], Decision | None],
    ) -> Decided | None:
        try:
            limit = self._limits[asked.name]
            decision = ask(asked) if asked.type.is_quick else limit.call(lambda: ask(asked))
            return None if decision is None else Decided(asked.name, stage, request, _worded(decision, asked))
        # A plug-in may raise anything, and may call `sys.exit`.
        except (Exception, SystemExit) as error:
            is_allowed = asked.table.on_error == "allow"
            choice = "allowed" if is_allowed else "refused"
            LOGGER.error(
                "The policy %s failed at the stage %s, so it is %s", asked.name, stage, choice, exc_info=error
            )
            return Decided(asked.name, stage, request, None, is_allowed=is_allowed)


def request_of(admitted: Admitted, tenant: str) -> PolicyRequest:
    """Return what policies are asked about an admitted request."""
    parameters = admitted.request.model_dump(mode="json")
    return PolicyRequest(admitted.kind.name, admitted.model.name, tenant, parameters)


def _worded(decision: Decision, asked: ConfiguredPolicy) -> Decision:
    """The decision with the reason of the operator, if there is one, in the types that it should have.

    Raises:
        TypeError: A plug-in returned something else.
    """
    if not isinstance(decision, Decision):
        raise TypeError(f"not a Decision: {type(decision).__name__}")
    reason = asked.table.reason or decision.reason
    if not isinstance(reason, str):
        raise TypeError(f"the reason is a {type(reason).__name__}")
    field = decision.field
    if field is not None and not isinstance(field, str):
        raise TypeError(f"the field is a {type(field).__name__}")
    shown = field if field is None else worded(field)
    return replace(decision, action=Action(decision.action), reason=worded(reason), field=shown)


def _failed(policy: str) -> PolicyFailed:
    return PolicyFailed(
        said("The policy {policy} could not decide, so the request is refused.", policy=policy),
        hint=said("Try again later, or ask the operator of this service. The log has the reason."),
    )
