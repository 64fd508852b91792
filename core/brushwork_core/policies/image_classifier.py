"""The built-in type `image-classifier`: labels that pictures of results must not have.

The scores are those of an image classifier of the catalogue. The worker computes them; see docs/policies.md.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from brushwork_schemas.wording.phrase import said
from pydantic import BaseModel, ConfigDict, Field

from brushwork_core.policies import Action, Decision, Policy, PolicyResult, PolicyType

REASON = "The picture shows something that this service does not allow."
Score = Annotated[float, Field(gt=0.0, le=1.0)]


class ClassifierSettings(BaseModel):
    """Fields of a table of the type `image-classifier`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action = Action.HOLD
    model: str = Field(min_length=1, max_length=200, description="Name of an image classifier.")
    thresholds: Mapping[Annotated[str, Field(min_length=1)], Score] = Field(
        min_length=1, description="For each label, the score from which the action is taken."
    )


class ClassifierPolicy(Policy):
    """Decides by the scores of a classifier.

    Args:
        settings: The table of the policy.
    """

    def __init__(self, settings: ClassifierSettings) -> None:
        self._settings = settings

    def check_result(self, result: PolicyResult) -> Decision | None:
        """Compare the scores of each picture with the thresholds."""
        model, thresholds = self._settings.model, self._settings.thresholds
        found = frozenset(
            index
            for index, picture in enumerate(result.pictures)
            if any(_score(picture.scores[model], label) >= least for label, least in thresholds.items())
        )
        return Decision(self._settings.action, said(REASON), pictures=found) if found else None


def _score(scores: Mapping[str, float], label: str) -> float:
    """The score of a label.

    Raises:
        LookupError: The classifier has no such label, so the policy could never decide as it is meant.
    """
    if label not in scores:
        raise LookupError(f"the classifier has no label {label!r}")
    return scores[label]


def _models(settings: ClassifierSettings) -> Mapping[str, Sequence[str]]:
    return {settings.model: tuple(settings.thresholds)}


IMAGE_CLASSIFIER = PolicyType(
    name="image-classifier",
    settings=ClassifierSettings,
    build=ClassifierPolicy,
    models=_models,
    is_quick=True,
)
