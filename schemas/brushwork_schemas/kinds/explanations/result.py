"""The result field `explanation`."""

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Artifact


class ExplanationMap(BaseModel):
    """How much each pixel of a picture matters for one class, word or answer.

    The value of a pixel is `min + (max - min) * grey / 65535`.
    """

    model_config = ConfigDict(frozen=True)

    label: str = Field(description="The class, the word or the answer that the map is about.")
    map: Artifact = Field(description="A 16-bit grey PNG of the picture's size.")
    min: float = Field(description="Value of black.")
    max: float = Field(description="Value of white; equal to `min` if the map is empty.")
    overlay: Artifact = Field(description="The map in colour over the picture.")
    score: float | None = Field(
        None,
        description="The score that the map explains: a probability, a log-probability, or for a word of a "
        "prompt the mean difference of the pictures, 0 to 1.",
    )
    pair: tuple[Artifact, Artifact] | None = Field(
        None, description="The picture, and the picture of the same seed with the word changed."
    )


class ExplainedToken(BaseModel):
    """A word of a generated text, and how sure the model was of it."""

    model_config = ConfigDict(frozen=True)

    text: str
    logprob: float = Field(le=0, description="Natural logarithm of its probability, given what is before it.")


class Faithfulness(BaseModel):
    """How well a map agrees with the model (Petsiuk et al., 2018): areas under two curves, each 0 to 1."""

    model_config = ConfigDict(frozen=True)

    deletion: float = Field(
        description="The target's score while its most important pixels are covered first; low is good."
    )
    insertion: float = Field(
        description="The target's score while its most important pixels are uncovered first; high is good."
    )


class Explanation(BaseModel):
    """Why a model gave this result. `docs/explanations.md` says what each method can and cannot show."""

    model_config = ConfigDict(frozen=True)

    method: str
    target: str | None = Field(None, description="The class that is explained, if there is one.")
    maps: tuple[ExplanationMap, ...] = ()
    tokens: tuple[ExplainedToken, ...] = Field((), description="The words of a generated text, in order.")
    baseline: float | None = Field(
        None, description="The target's score if the whole picture is covered. None if nothing was covered."
    )
    faithfulness: Faithfulness | None = Field(None, description="None unless it was asked for.")
    num_calls: int = Field(ge=0, description="Calls or runs of the model besides the job's own.")
