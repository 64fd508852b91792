"""Kind `image-classification`: the classes of a picture."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Picture
from brushwork_schemas.kinds.request import Request, Text, not_blank
from brushwork_schemas.kinds.result import Result


def _different(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) < len(labels):
        raise ValueError("must not name a label twice")
    return labels


def _with_room(template: str) -> str:
    if "{}" not in template:
        raise ValueError("must hold {} where the label goes")
    return template


Label = Annotated[Text, Field(max_length=200), AfterValidator(not_blank)]


Labels = Annotated[tuple[Label, ...], Field(strict=False), AfterValidator(_different)]


class ImageClassificationRequest(Request):
    """Say which of the model's classes, or of the labels given, a picture shows."""

    SPECIAL = frozenset({"candidate_labels", "hypothesis_template"})

    image: Picture = Field(description="The picture, an artifact.")
    top_k: int = Field(5, ge=1, le=1000, description="How many classes to return, best first.")
    candidate_labels: Labels | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Labels to choose from, where the model compares pictures with words (zero-shot).",
    )
    hypothesis_template: Annotated[Text, AfterValidator(_with_room)] | None = Field(
        None, max_length=200, description="The sentence that each label is put into, in place of {}."
    )


class Prediction(BaseModel):
    """A class and its probability, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    label: str
    score: float


class ImageClassificationResult(Result):
    """The best classes, most probable first."""

    predictions: tuple[Prediction, ...]
