"""What a caller may ask, one frozen model for each kind of job.

Names and meanings are those of diffusers and transformers. A field that is None is filled in by
`admission.admit` from the model's defaults before the job is written, so a stored request is complete.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Sha256


def _without_nul(text: str) -> str:
    # PostgreSQL stores no U+0000, and no tokenizer has a use for it.
    if "\0" in text:
        raise ValueError("must not hold the character U+0000")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
Side = Annotated[int, Field(ge=16, le=4096, multiple_of=8)]


class Request(BaseModel):
    """What all kinds have in common. Later fields must have a default, so that old messages stay readable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = Field(1, description="Version of this request's schema.")
    model: str | None = Field(
        None,
        max_length=200,
        description="A model's name in the catalogue; by default the first of the kind.",
    )
    deterministic: bool = Field(
        False,
        description="Share no run of the model with other jobs. Sums round otherwise in a batch, by a few "
        "millionths of the range; alone, the same request on the same machine gives the same bytes.",
    )

    @property
    def summary(self) -> str:
        """What sets the cost of this request, in a few words; nothing private."""
        return ""

    @property
    def cost(self) -> float:
        """What it takes from a budget: megapixels x denoising steps; 1 for a picture that is looked at."""
        return 1.0


class TextToImageRequest(Request):
    """Make pictures from a prompt."""

    prompt: Annotated[Text, AfterValidator(_not_blank)] = Field(
        max_length=2000, description="What the picture should show."
    )
    negative_prompt: Text = Field("", max_length=2000, description="What it should not show.")
    width: Side | None = Field(None, description="Pixels; by default the model's own width.")
    height: Side | None = Field(None, description="Pixels; by default the model's own height.")
    num_inference_steps: int | None = Field(
        None, ge=1, le=200, description="Denoising steps; more are slower and usually finer."
    )
    guidance_scale: float | None = Field(
        None,
        ge=0.0,
        le=50.0,
        allow_inf_nan=False,
        description="Weight of classifier-free guidance (Ho and Salimans, 2022); 1 and below switch it off.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        description="Start of the random numbers; picture i of a job uses seed + i. Drawn if left out.",
    )
    num_images_per_prompt: int = Field(1, ge=1, le=16, description="Pictures to make.")
    scheduler: str | None = Field(
        None, max_length=100, description="A diffusers scheduler class, by default the model's own."
    )

    @property
    def summary(self) -> str:
        """Size, steps and pictures."""
        pictures = f" x{self.num_images_per_prompt}" if self.num_images_per_prompt > 1 else ""
        return f"{self.width}x{self.height}{pictures} {self.num_inference_steps} steps"

    @property
    def cost(self) -> float:
        """Of a complete request."""
        pixels = (self.width or 0) * (self.height or 0) * self.num_images_per_prompt
        return pixels * (self.num_inference_steps or 0) / 1e6


class ImageToTextRequest(Request):
    """Describe a picture in a sentence."""

    image: Sha256 = Field(description="The picture, an artifact.")
    language: Literal["en", "zh"] = Field(
        "en", description="Language of the caption, where the model has a choice."
    )
    prompt: Text = Field("", max_length=500, description="Start of the caption, where the model takes one.")
    max_new_tokens: int | None = Field(None, ge=1, le=512, description="Longest caption, in tokens.")


class ImageClassificationRequest(Request):
    """Say which of the model's classes a picture shows."""

    image: Sha256 = Field(description="The picture, an artifact.")
    top_k: int = Field(5, ge=1, le=1000, description="How many classes to return, best first.")


class ImageSegmentationRequest(Request):
    """Say for each pixel of a picture which class it belongs to."""

    image: Sha256 = Field(description="The picture, an artifact.")
    overlay: bool = Field(True, description="Also make a picture with the classes laid over it in colour.")
