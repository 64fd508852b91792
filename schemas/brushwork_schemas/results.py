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


class GenerationResult(Result):
    """Pictures, and the seed of each: a job of one picture with `seeds[i]` makes `images[i]` again."""

    images: tuple[Artifact, ...]
    seed: int
    seeds: tuple[int, ...]
    nsfw_content_detected: tuple[bool, ...] | None = Field(
        None, description="For each picture whether the model's safety checker blacked it out, if it has one."
    )


class TextToImageResult(GenerationResult):
    """Pictures made from a prompt."""


class ImageToImageResult(GenerationResult):
    """Pictures made from a prompt and a picture."""


class InpaintingResult(GenerationResult):
    """Pictures of which a part was made anew."""


class ImageUpscalingResult(Result):
    """The picture, larger."""

    image: Artifact
    scale: float = Field(description="New width through old width.")
    seed: int | None = Field(None, description="None where the model draws no random numbers.")


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


class Prediction(BaseModel):
    """A class and its probability, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    label: str
    score: float


class ImageClassificationResult(Result):
    """The best classes, most probable first."""

    predictions: tuple[Prediction, ...]


class Rle(BaseModel):
    """A mask in COCO's compressed run-length encoding, as `pycocotools.mask.decode` takes it."""

    model_config = ConfigDict(frozen=True)

    size: tuple[int, int] = Field(description="Height and width of the picture.")
    counts: str


class Segment(BaseModel):
    """A class or an object, in COCO's terms."""

    model_config = ConfigDict(frozen=True)

    id: int = Field(description="Counted from 1.")
    label: str | None = Field(None, description="None for an object of no known class.")
    score: float | None = None
    area: int = Field(description="Pixels.")
    bbox: tuple[float, float, float, float] = Field(description="Left, top, width, height, in pixels.")
    segmentation: Rle


class ImageSegmentationResult(Result):
    """A class for each pixel of the picture, and the objects where the model tells them apart."""

    mask: Artifact = Field(
        description="Indexed PNG of the picture's size: each pixel is an index into `labels`."
    )
    overlay: Artifact | None = None
    labels: tuple[str, ...]
    areas: dict[str, float] = Field(description="Share of the picture of each class that occurs, 0 to 1.")
    segments: tuple[Segment, ...] = Field(
        (), description="Each class or object that occurs, largest first; a background is none."
    )


class Epoch(BaseModel):
    """A pass over the training pictures, and how well the model then does."""

    model_config = ConfigDict(frozen=True)

    epoch: int = Field(description="Counted from 1.")
    train_loss: float = Field(description="Mean cross-entropy.")
    train_accuracy: float = Field(description="Share right, 0 to 1, while it was trained.")
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    seconds: float


class ImageClassificationTrainingResult(Result):
    """A model, ready to classify as `trained:<job id>`, and how it came about."""

    model_name: str = Field(description="As `model` of image-classification: trained:<job id>.")
    weights: Artifact = Field(description="Safetensors.")
    config: Artifact = Field(
        description="JSON: architecture, class names, size and normalisation of pictures."
    )
    plot: Artifact = Field(description="Loss and accuracy by epoch, a PNG.")
    labels: tuple[str, ...]
    curve: tuple[Epoch, ...]
    best_epoch: int = Field(description="Whose weights these are: the best on validation, else the last.")
    train_accuracy: float
    validation_accuracy: float | None = None
    confusion_matrix: tuple[tuple[int, ...], ...] = Field(
        description="Of the validation pictures (of the training pictures where there are none): "
        "row is the true class, column what the model says."
    )
    num_train_images: int
    num_validation_images: int
