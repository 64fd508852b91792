"""The mistakes of a trained classifier: classes that it confuses, and its most confident wrong answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.view import Block, Explained, Table, in_percent

MOST_PAIRS_PRINTED = 3


class ConfusedPair(BaseModel):
    """A class that was taken for another."""

    model_config = ConfigDict(frozen=True)

    label: str = Field(description="The true class.")
    prediction: str = Field(description="The answer.")
    count: int = Field(description="Number of pictures.")


class WrongPrediction(BaseModel):
    """A validation picture that the trained model classifies wrong."""

    model_config = ConfigDict(frozen=True)

    file: str = Field(description="Name of the picture in the archive.")
    picture: Artifact = Field(description="The picture as the model sees it, resized.")
    label: str = Field(description="The class of its folder.")
    prediction: str = Field(description="The answer.")
    score: float = Field(description="Probability of the answer, 0 to 1.")


def mistake_facts(
    confused: Sequence[ConfusedPair], wrong: Sequence[WrongPrediction]
) -> Iterable[tuple[str, str]]:
    """Return one line for each of the most frequent and of the most confident mistakes."""
    for pair in confused[:MOST_PAIRS_PRINTED]:
        yield "confused", f"{pair.label} with {pair.prediction}: {pair.count}"
    for each in wrong:
        yield "wrong", f"{each.file}: {each.prediction} ({in_percent(each.score)}), not {each.label}"


def mistake_blocks(
    confused: Sequence[ConfusedPair], wrong: Sequence[WrongPrediction], explanation: Explanation | None
) -> Iterable[Block]:
    """Return the most confused pairs, and the most confident mistakes with their maps."""
    label, prediction = {"en": "True class", "zh": "真实类别"}, {"en": "Answer", "zh": "模型的回答"}
    if confused:
        yield Table(
            title={"en": "Most confused classes", "zh": "最常混淆的类别"},
            columns=(label, prediction, {"en": "Pictures", "zh": "图片数"}),
            rows=[(pair.label, pair.prediction, str(pair.count)) for pair in confused],
            name="confused_pairs",
        )
    if wrong:
        yield Table(
            title={"en": "Most confident mistakes", "zh": "最有把握的错误"},
            columns=({"en": "File", "zh": "文件"}, label, prediction, {"en": "Score", "zh": "得分"}),
            rows=[(each.file, each.label, each.prediction, in_percent(each.score)) for each in wrong],
            note={
                "en": "A wrong answer of which the model is sure is often a picture in the wrong folder.",
                "zh": "模型很有把握的错误，往往是图片放错了文件夹。",
            },
            name="wrong_predictions",
        )
    if explanation is not None and explanation.maps:
        title = {"en": "What speaks for the wrong answers", "zh": "错误回答的依据"}
        yield Explained(explanation, pictures=[each.picture for each in wrong], title=title)


def sample_mistakes(labels: tuple[str, str]) -> Mapping[str, Any]:
    """Return plausible mistakes of a classifier of two classes, for fake clients."""
    pairs = (labels, labels[::-1])
    confused = [{"label": label, "prediction": answer, "count": 1} for label, answer in pairs]
    answer, label = labels
    wrong = {"file": f"{label}/7.png", "label": label, "prediction": answer, "score": 0.8}
    return {
        "confused_pairs": confused,
        "wrong_predictions": [{**wrong, "picture": _sample_picture()}],
    }


def _sample_picture() -> Any:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (28, 28), "white")
    ImageDraw.Draw(picture).rounded_rectangle((6, 6, 22, 22), 6, fill="red")
    return picture
