"""Kind `image-to-text`: a caption of a picture."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Picture
from brushwork_schemas.kinds.request import Request, Text
from brushwork_schemas.kinds.result import Result


class ImageToTextRequest(Request):
    """Describe a picture in a sentence."""

    SPECIAL = frozenset(
        {"prompt", "num_beams", "num_return_sequences", "do_sample", "temperature", "top_p", "seed"}
    )

    image: Picture = Field(description="The picture, an artifact.")
    language: Literal["en", "zh"] = Field(
        "en", description="Language of the caption, where the model has a choice."
    )
    prompt: Text = Field(
        "",
        max_length=2000,
        description="Start of the caption, a task's token, or a question, as the model takes it.",
    )
    max_new_tokens: int | None = Field(None, ge=1, le=1024, description="Longest caption, in tokens.")
    num_beams: int | None = Field(None, ge=1, le=16, description="Beams of the search; 1 is greedy.")
    num_return_sequences: int = Field(
        1,
        ge=1,
        le=16,
        description="Candidates to return, best first; by a search with as many beams, or drawn.",
    )
    do_sample: bool = Field(False, description="Draw the tokens instead of searching for the best.")
    temperature: float | None = Field(
        None, gt=0.0, le=10.0, allow_inf_nan=False, description="Of drawing: above 1 is bolder."
    )
    top_p: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="Draw from the likeliest that make up this share.",
    )
    seed: int | None = Field(None, ge=0, le=2**63 - 1, description="Of drawing; drawn itself if left out.")


class Caption(BaseModel):
    """A candidate."""

    model_config = ConfigDict(frozen=True)

    text: str
    score: float | None = Field(
        None, description="Mean log-probability of its tokens; None where the model gives none."
    )


class ImageToTextResult(Result):
    """The best caption, and all that were asked for with their scores, best first."""

    generated_text: str
    candidates: tuple[Caption, ...] = ()
