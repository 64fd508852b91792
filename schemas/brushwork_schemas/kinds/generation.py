"""Requests and results that all kinds of image generation share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.kinds.request import Request, Side, Text, not_blank
from brushwork_schemas.kinds.result import Result


class LoraChoice(BaseModel):
    """An adapter and how strongly it acts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(max_length=200, description="Its name in the catalogue.")
    weight: float = Field(1.0, ge=-4.0, le=4.0, allow_inf_nan=False, description="0 is without it.")


class GenerationRequest(Request):
    """What all that make pictures step by step have in common."""

    SPECIAL = frozenset({"negative_prompt", "scheduler", "loras", "controlnet", "clip_skip"})

    prompt: Annotated[Text, AfterValidator(not_blank)] = Field(
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


class GenerationResult(Result):
    """Pictures, and the seed of each: a job of one picture with `seeds[i]` makes `images[i]` again."""

    images: tuple[Artifact, ...]
    seed: int
    seeds: tuple[int, ...]
    nsfw_content_detected: tuple[bool, ...] | None = Field(
        None, description="For each picture whether the model's safety checker blacked it out, if it has one."
    )
