"""Policies in a worker, which decide for good."""

import logging
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Protocol

from brushwork_core.ledger import Claim, HoldReason
from brushwork_core.policies import Action, Decision, PolicyRequest, PolicyResult, ResultPicture
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import Decided, PolicySet
from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.errors import (
    DeviceFailed,
    JobStopped,
    OutOfMemory,
    PolicyFailed,
    PolicyRefused,
    ServiceUnreachable,
)
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.warnings import ResultWarning, result_warning
from PIL import Image

from brushwork_workers.device.failures import coded_error
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.attempt_result import AttemptCompleted
from brushwork_workers.execution.job_context import AttemptContext
from brushwork_workers.execution.policies.blurring import replaced
from brushwork_workers.execution.policies.seen_pictures import (
    SeenPicture,
    blurred_files,
    seen_by_policies,
    without_explanation,
)
from brushwork_workers.model_cache.load_postponed import LoadPostponed

LOGGER = logging.getLogger(__name__)
# These are about the worker, not about the classifier: another attempt may do better.
_NOT_OF_CLASSIFIER = (JobStopped, ServiceUnreachable, DeviceFailed, OutOfMemory)
_WARNINGS = {Action.FLAG: "policy_flagged", Action.BLUR: "policy_blurred"}


class PictureScoring(Protocol):
    """Classifies pictures."""

    def of(
        self, attempt: Attempt, name: str, labels: Sequence[str], pictures: Sequence[Image.Image]
    ) -> Sequence[Mapping[str, float]]:
        """Return the scores of pictures by label."""
        ...


class Verdict:
    """What policies have decided about one attempt so far.

    Args:
        request: The request of the job.
        is_open: Whether they will decide about the result, too.
    """

    def __init__(self, request: PolicyRequest, *, is_open: bool) -> None:
        self.request = request
        self.decided: list[Decided] = []
        self._is_open = is_open

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
    def is_needed(self) -> bool:
        """Whether a result has to wait for it, or is changed by it. Then nobody sees previews."""
        return self._is_open or any(self._of(Action.FLAG, Action.BLUR, Action.HOLD))

    @property
    def warnings(self) -> list[ResultWarning]:
        """The warnings that the result gets."""
        return [
            result_warning(_WARNINGS[decision.action], decision.field, policy=policy, reason=decision.reason)
            for policy, decision in self._of(*_WARNINGS)
        ]

    @property
    def held_because(self) -> HoldReason | None:
        """Why the result is held: the first reason."""
        found = next(iter(self._of(Action.HOLD)), None)
        return None if found is None else HoldReason(found[0], found[1].reason)

    def blurs(self, index: int) -> bool:
        """Return whether a picture of the result is to be blurred."""
        return any(
            decision.pictures is None or index in decision.pictures for _, decision in self._of(Action.BLUR)
        )

    def _of(self, *actions: Action) -> list[tuple[str, Decision]]:
        return [
            (each.policy, each.decision)
            for each in self.decided
            if each.decision is not None and each.decision.action in actions
        ]


class WorkerPolicies:
    """Asks the policies about the jobs of a worker.

    Args:
        policies: The policies.
        log: Records what they decide.
    """

    def __init__(self, policies: PolicySet, log: DecisionLog) -> None:
        self.policies = policies
        self.log = log

    @property
    def models(self) -> frozenset[str]:
        """Names of the image classifiers that policies need."""
        return self.policies.models

    def report_missing(self, available: Collection[str]) -> None:
        """Log which of the classifiers cannot be loaded.

        Args:
            available: Names of the models that the worker can load.
        """
        for name in sorted(self.models - set(available)):
            LOGGER.error(
                "The classifier %s of a policy is not on this machine, or cannot be loaded. Until it is, the "
                "policy fails, and its `on_error` decides. Try: brushwork models pull %s",
                *(name, name),
            )

    def admit(self, claim: Claim) -> Verdict:
        """Ask about the request of a job.

        Raises:
            PolicyRefused: A policy refuses it.
            PolicyFailed: A policy could not decide, and the operator chose to refuse then.
        """
        # A copy: a policy that changes it would change the job.
        request = PolicyRequest(claim.kind, claim.model, claim.tenant, deepcopy(claim.request))
        verdict = Verdict(request, is_open=self.policies.judges_results(request))
        self._add(verdict, self.policies.on_request(request), claim)
        return verdict

    def needs_models(self, verdict: Verdict) -> bool:
        """Return whether classifiers have to be loaded before the result can be judged."""
        return bool(self.policies.models_for(verdict.request))

    def judge(
        self,
        attempt: Attempt,
        completed: AttemptCompleted,
        verdict: Verdict,
        context: AttemptContext,
        scores: PictureScoring,
    ) -> AttemptCompleted:
        """Ask about a result, and do what was decided about it and about its request.

        Args:
            attempt: The attempt.
            completed: What the handler has made.
            verdict: What was decided about the request.
            context: Context of the attempt, which has the pictures.
            scores: Classifies pictures.

        Returns:
            The result that callers get, or that a reviewer decides about.

        Raises:
            PolicyRefused, PolicyFailed: A policy refuses the result. Its files are removed.
            JobStopped, LoadPostponed: The job must stop, or has to run again.
        """
        pictures = seen_by_policies(artifacts_within(completed.result), context)
        asked = PolicyResult(
            job_id=context.job_id,
            request=verdict.request,
            result=completed.result.model_dump(mode="json"),
            pictures=self._scored(attempt, verdict, context, pictures, scores),
        )
        try:
            self._add(verdict, self.policies.on_result(asked), attempt.claim)
        except (PolicyRefused, PolicyFailed):
            context.discard([each.sha256 for each in completed.outputs])
            raise
        return self._applied(completed, verdict, context, pictures)

    def _scored(
        self,
        attempt: Attempt,
        verdict: Verdict,
        context: AttemptContext,
        pictures: Sequence[SeenPicture],
        scores: PictureScoring,
    ) -> list[ResultPicture]:
        images = [each.image for each in pictures]
        found: list[dict[str, Mapping[str, float]]] = [{} for _ in pictures]
        for name, labels in self.policies.models_for(verdict.request).items() if pictures else ():
            try:
                each_scores = scores.of(attempt, name, labels, images)
            except LoadPostponed:
                raise
            except Exception as error:
                if isinstance(coded_error(error), _NOT_OF_CLASSIFIER):
                    raise
                # The policy fails without its scores, and the operator has chosen what happens then.
                LOGGER.exception("The classifier %s of a policy failed", name)
                continue
            for own, given in zip(found, each_scores, strict=True):
                own[name] = given
        return [
            ResultPicture(each.artifact, each.image.copy, own)
            for each, own in zip(pictures, found, strict=True)
        ]

    @staticmethod
    def _applied(
        completed: AttemptCompleted,
        verdict: Verdict,
        context: AttemptContext,
        pictures: Sequence[SeenPicture],
    ) -> AttemptCompleted:
        names = dict.fromkeys(
            each.artifact.sha256 for index, each in enumerate(pictures) if verdict.blurs(index)
        )
        result, unexplained = completed.result, frozenset[str]()
        if names and result.explanation is not None:
            # Its maps lie over the pictures, and show the outlines of what they show.
            result, unexplained = without_explanation(result)
        by: dict[str, Artifact] = {}
        for name in names.keys() - unexplained:
            by |= blurred_files(name, context)
        # A picture of one colour stays what it is.
        gone = (by.keys() - {each.sha256 for each in by.values()}) | unexplained
        context.discard(gone)
        result = _warned(replaced(result, by), verdict.warnings)
        outputs = {each.sha256: each for each in context.outputs if each.sha256 not in gone}
        prints = tuple(each for each in context.prints if each.sha256 not in gone)
        return AttemptCompleted(result, tuple(outputs.values()), prints, verdict.held_because)

    def _add(self, verdict: Verdict, decided: list[Decided], claim: Claim) -> None:
        self.log.add(decided, claim.job_id)
        verdict.add(decided)


def _warned(result: Result, warnings: Sequence[ResultWarning]) -> Result:
    # The result type of a plug-in may have a field `warnings` of its own.
    if not warnings or not all(isinstance(each, ResultWarning) for each in result.warnings):
        return result
    return result.model_copy(update={"warnings": (*result.warnings, *warnings)})
