"""Kind `image-classification`: the classes of a picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Picture
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.explanations.request import EXPLAIN_CHINESE, ExplainableRequest
from brushwork_schemas.kinds.kind import Kind, ReadPicture
from brushwork_schemas.kinds.request import CHINESE, Text, not_blank
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Scores, in_percent

if TYPE_CHECKING:
    from brushwork_schemas.job import Job

_SAMPLE_LABELS = (("circle", 0.7), ("square", 0.2), ("triangle", 0.1))


def _different(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) < len(labels):
        raise ValueError("must not contain a label twice")
    return labels


def _with_placeholder(template: str) -> str:
    if "{}" not in template:
        raise ValueError("must contain {} where the label goes")
    return template


Label = Annotated[Text, Field(max_length=200), AfterValidator(not_blank)]
Labels = Annotated[tuple[Label, ...], Field(strict=False), AfterValidator(_different)]


class ImageClassificationRequest(ExplainableRequest):
    """Find which of the model's classes, or of the given labels, a picture shows."""

    SPECIAL = frozenset({"candidate_labels", "hypothesis_template"})
    ADVANCED = ExplainableRequest.ADVANCED | {"hypothesis_template"}

    image: Picture = Field(title="Picture", description="The picture to classify.")
    top_k: int = Field(
        5, ge=1, le=1000, title="Number of classes", description="Number of classes to return, best first."
    )
    candidate_labels: Labels | None = Field(
        None,
        min_length=1,
        max_length=1000,
        title="Candidate labels",
        description="Labels to choose from, for models that compare pictures with text (zero-shot).",
    )
    hypothesis_template: Annotated[Text, AfterValidator(_with_placeholder)] | None = Field(
        None,
        max_length=200,
        title="Hypothesis template",
        description="Sentence into which each label is put in place of {}.",
    )


class Prediction(BaseModel):
    """A class and its probability, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    label: str
    score: float


class ImageClassificationResult(Result):
    """The best classes, most probable first."""

    predictions: tuple[Prediction, ...]


def _facts(result: ImageClassificationResult) -> Iterable[tuple[str, str]]:
    for prediction in result.predictions:
        yield prediction.label, f"{prediction.score:.1%}"


def _view(job: "Job") -> Sequence[Block]:
    if not isinstance(job.result, ImageClassificationResult):
        return ()
    rows = [(each.label, each.score) for each in job.result.predictions]
    return (Scores(rows, title={"en": "Classes", "zh": "类别"}),)


def _headline(result: ImageClassificationResult) -> str:
    if not result.predictions:
        return ""
    best = result.predictions[0]
    return f"{best.label} {in_percent(best.score)}"


def _sample(job: "Job", picture: ReadPicture) -> Mapping[str, Any]:
    """Each candidate label is half as probable as the one before."""
    request = job.request
    given = request.candidate_labels or ()
    total = sum(0.5**place for place in range(len(given)))
    found = [(label, 0.5**place / total) for place, label in enumerate(given)] or _SAMPLE_LABELS
    return {"predictions": [{"label": label, "score": score} for label, score in found[: request.top_k]]}


def _from_short(written: Any) -> Mapping[str, Any] | None:
    if isinstance(written, Mapping) and "predictions" not in written:
        return {"predictions": [{"label": label, "score": score} for label, score in written.items()]}
    return None


KIND = Kind(
    name="image-classification",
    request_type=ImageClassificationRequest,
    result_type=ImageClassificationResult,
    title={"en": "Classes", "zh": "图片分类"},
    action={"en": "Classify a picture", "zh": "识别图片的类别"},
    example={"image": RED_PICTURE, "top_k": 3},
    sample=_sample,
    facts=_facts,
    view=_view,
    headline=_headline,
    from_short=_from_short,
    explains=("occlusion", "integrated-gradients", "grad-cam"),
    follow_up={"en": "Classify it", "zh": "给它分类"},
    words={
        "zh": {
            **CHINESE,
            **EXPLAIN_CHINESE,
            "field.top_k.label": "类别个数",
            "field.top_k.hint": "从最可能的开始。",
            "field.candidate_labels.label": "候选标签",
            "field.candidate_labels.hint": "每行一个，或用逗号分隔。",
            "field.hypothesis_template.label": "句子模板",
            "field.hypothesis_template.hint": "每个标签放进句中 {} 的位置。",
        }
    },
    order=60,
)
