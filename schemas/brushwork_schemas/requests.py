"""What a caller may ask, one frozen model for each kind of job.

Names and meanings are those of diffusers and transformers. A field that is None is filled in by
`admission.admit` from the model's defaults before the job is written, so a stored request is complete.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Archive, Picture


def _storable(text: str) -> str:
    # PostgreSQL stores no U+0000, and no tokenizer has a use for it.
    if "\0" in text:
        raise ValueError("must not hold the character U+0000")
    # Half of a pair of UTF-16: neither stored nor read by a tokenizer.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must be text, without halves of surrogate pairs")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Side = Annotated[int, Field(ge=16, le=4096, multiple_of=8)]


class Request(BaseModel):
    """What all kinds have in common. Later fields must have a default, so that old messages stay readable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    # Fields that only some models know: a request that sets one is refused by a model that does not.
    SPECIAL: ClassVar[frozenset[str]] = frozenset()

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


class LoraChoice(BaseModel):
    """An adapter and how strongly it acts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(max_length=200, description="Its name in the catalogue.")
    weight: float = Field(1.0, ge=-4.0, le=4.0, allow_inf_nan=False, description="0 is without it.")


class GenerationRequest(Request):
    """What all that make pictures step by step have in common."""

    SPECIAL = frozenset({"negative_prompt", "scheduler", "loras", "controlnet", "clip_skip"})

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
    clip_skip: int | None = Field(
        None, ge=1, le=11, description="Last layers of the text encoder that are left out."
    )
    loras: Annotated[tuple[LoraChoice, ...], Field(strict=False)] = Field(
        (), max_length=8, description="Adapters of the catalogue that change the model for this job."
    )
    controlnet: str | None = Field(
        None, max_length=200, description="A ControlNet of the catalogue; it needs `control_image`."
    )
    control_image: Picture | None = Field(
        None, description="What the ControlNet goes by, such as edges or depth; an artifact."
    )
    controlnet_conditioning_scale: float | None = Field(
        None, ge=0.0, le=4.0, allow_inf_nan=False, description="How strongly it goes by it; by default 1."
    )

    @property
    def summary(self) -> str:
        """Size, steps and pictures."""
        pictures = f" x{self.num_images_per_prompt}" if self.num_images_per_prompt > 1 else ""
        size = f"{self.width}x{self.height}{pictures} " if self.width and self.height else pictures.lstrip()
        return f"{size}{self.num_inference_steps} steps"

    @property
    def cost(self) -> float:
        """Of a complete request."""
        pixels = (self.width or 0) * (self.height or 0) * self.num_images_per_prompt
        return pixels * (self.num_inference_steps or 0) / 1e6


class TextToImageRequest(GenerationRequest):
    """Make pictures from a prompt."""


class ImageToImageRequest(GenerationRequest):
    """Make pictures from a prompt and a picture that they begin with."""

    image: Picture = Field(description="What they begin with, an artifact.")
    strength: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="How much may change: of the denoising steps, this share is made.",
    )


class InpaintingRequest(ImageToImageRequest):
    """Make a part of a picture anew from a prompt."""

    mask_image: Picture = Field(description="White where it is made anew, black where it stays; an artifact.")


class ImageUpscalingRequest(Request):
    """Make a picture larger, with detail that suits it."""

    SPECIAL = frozenset(
        {"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "noise_level", "seed"}
    )

    image: Picture = Field(description="The picture, an artifact.")
    prompt: Text = Field("", max_length=2000, description="What it shows, where the model takes a prompt.")
    negative_prompt: Text = Field("", max_length=2000, description="What it should not show.")
    num_inference_steps: int | None = Field(None, ge=1, le=200, description="Denoising steps.")
    guidance_scale: float | None = Field(
        None, ge=0.0, le=50.0, allow_inf_nan=False, description="Weight of classifier-free guidance."
    )
    noise_level: int | None = Field(
        None, ge=0, le=350, description="Noise that is put on the picture first; more frees the model."
    )
    seed: int | None = Field(None, ge=0, le=2**63 - 1, description="Start of the random numbers.")

    @property
    def cost(self) -> float:
        """Its size is known only once it is read: as one megapixel."""
        return float(self.num_inference_steps or 1)


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


def _different(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) < len(labels):
        raise ValueError("must not name a label twice")
    return labels


def _with_room(template: str) -> str:
    if "{}" not in template:
        raise ValueError("must hold {} where the label goes")
    return template


Label = Annotated[Text, Field(max_length=200), AfterValidator(_not_blank)]
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


class Point(BaseModel):
    """A pixel that is on an object, or is not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the left.")
    y: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the top.")
    is_on: bool = Field(True, description="Whether the object is there.")
    object: int = Field(0, ge=0, lt=64, description="Which object it is about, counted from 0.")


class Box(BaseModel):
    """A box around an object."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x_min: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the left.")
    y_min: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the top.")
    x_max: float = Field(ge=0, allow_inf_nan=False)
    y_max: float = Field(ge=0, allow_inf_nan=False)


class ImageSegmentationRequest(Request):
    """Say for each pixel of a picture which class or object it belongs to."""

    SPECIAL = frozenset({"task", "threshold", "points", "boxes"})

    image: Picture = Field(description="The picture, an artifact.")
    overlay: bool = Field(True, description="Also make a picture with the classes laid over it in colour.")
    task: Literal["semantic", "instance", "panoptic"] | None = Field(
        None, description="Classes, objects, or both; by default the model's own."
    )
    threshold: float | None = Field(
        None, ge=0.0, le=1.0, allow_inf_nan=False, description="Objects of a lower score are left out."
    )
    points: Annotated[tuple[Point, ...], Field(strict=False)] = Field(
        (), max_length=256, description="Where objects are, for models that are shown them."
    )
    boxes: Annotated[tuple[Box, ...], Field(strict=False)] = Field(
        (), max_length=64, description="Around objects, one each; point.object counts them too."
    )


class ImageClassificationTrainingRequest(Request):
    """Train a classifier on pictures in folders, one for each class."""

    SPECIAL = frozenset({"freeze_backbone"})

    dataset: Archive = Field(
        description="A zip or tar of class folders, or of train/ and validation/ with such; an artifact."
    )
    image_size: int | None = Field(None, ge=16, le=512, description="Side to which pictures are resized.")
    num_train_epochs: int = Field(5, ge=1, le=1000, description="Passes over the training pictures.")
    per_device_train_batch_size: int = Field(32, ge=1, le=1024, description="Pictures a step.")
    learning_rate: float = Field(1e-3, gt=0.0, le=10.0, allow_inf_nan=False)
    weight_decay: float = Field(0.0, ge=0.0, le=1.0, allow_inf_nan=False)
    optimizer: Literal["adam", "adamw"] = Field("adam", description="Adam, or AdamW.")
    augmentation: Literal["none", "light", "strong"] = Field(
        "none", description="Shifts, flips and colours of training pictures."
    )
    validation_split: float = Field(
        0.2,
        ge=0.0,
        le=0.9,
        allow_inf_nan=False,
        description="Share held out by the seed, where the archive has no validation folder.",
    )
    early_stopping_patience: int | None = Field(
        None, ge=1, le=1000, description="End after so many epochs without a better validation."
    )
    freeze_backbone: bool = Field(
        False, description="Train the new head alone, where the model has a backbone."
    )
    seed: int | None = Field(None, ge=0, le=2**63 - 1, description="Of split, weights and order.")

    @property
    def summary(self) -> str:
        """Epochs."""
        return "1 epoch" if self.num_train_epochs == 1 else f"{self.num_train_epochs} epochs"

    @property
    def cost(self) -> float:
        """The pictures are counted only once they are read: as a thousand an epoch."""
        return 1000.0 * self.num_train_epochs * (self.image_size or 64) ** 2 / 1e6
