"""What a finished job holds, one frozen model for each kind, in Hugging Face's terms."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Artifact


class Timings(BaseModel):
    """Where a job's time went, in seconds."""

    model_config = ConfigDict(frozen=True)

    queued_s: float = Field(description="From accepted to claimed by the worker that finished it.")
    loading_s: float = Field(description="Getting the model ready and reading the inputs.")
    running_s: float = Field(description="Inference, with decoding and encoding of pictures.")


class Provenance(BaseModel):
    """With the request, all that is needed to make a result again."""

    model_config = ConfigDict(frozen=True)

    model: str
    model_revision: str = Field(description="SHA-256 over the model's files, or the commit it was pinned to.")
    versions: dict[str, str] = Field(description="Packages that took part.")
    device: str
    dtype: str
    worker: str
    attempt: int
    timings: Timings


class Result(BaseModel):
    """What all results have in common."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    provenance: Provenance


class TextToImageResult(Result):
    """Pictures, and the seed of each: a job of one picture with `seeds[i]` makes `images[i]` again."""

    images: tuple[Artifact, ...]
    seed: int
    seeds: tuple[int, ...]


class ImageToTextResult(Result):
    """A caption."""

    generated_text: str


class Prediction(BaseModel):
    """A class and its probability, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    label: str
    score: float


class ImageClassificationResult(Result):
    """The best classes, most probable first."""

    predictions: tuple[Prediction, ...]


class ImageSegmentationResult(Result):
    """A class for each pixel of the picture."""

    mask: Artifact = Field(
        description="Indexed PNG of the picture's size: each pixel is an index into `labels`."
    )
    overlay: Artifact | None = None
    labels: tuple[str, ...]
    areas: dict[str, float] = Field(description="Share of the picture of each class that occurs, 0 to 1.")
