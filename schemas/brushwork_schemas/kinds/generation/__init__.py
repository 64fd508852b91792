"""Requests, results and rules that all kinds of image generation share."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.generation.add_ons import (
    IpAdapterChoice,
    IpAdapters,
    LoraChoice,
    PromptWeighting,
    check_add_ons,
    check_loras,
)
from brushwork_schemas.kinds.generation.step_skipping import num_computed
from brushwork_schemas.kinds.request import Request, Side, Text, not_blank
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Cell, PictureNotes
from brushwork_schemas.wording.phrase import Phrase, said

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Catalogue, Model
    from brushwork_schemas.job import Job
    from brushwork_schemas.kinds.kind import ReadPicture

__all__ = [
    "GenerationRequest",
    "GenerationResult",
    "IpAdapterChoice",
    "LoraChoice",
    "check_add_ons",
    "check_limits",
    "check_loras",
    "check_strength",
    "facts",
    "from_short",
    "sample",
    "seed_note",
    "size_of_input",
    "view",
]

Acceleration = Annotated[
    float,
    Field(
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
        # Workers of older versions do not know the field. They can run jobs that do not use it.
        exclude_if=lambda acceleration: acceleration == 0,
        title="Acceleration",
        description="How many calls of the denoiser are skipped and estimated from earlier ones: 0 is none, "
        "1 is about two of three. Faster, but the picture differs from that of the full run.",
    ),
]


class GenerationRequest(Request):
    """Fields of all requests that generate pictures in denoising steps."""

    SPECIAL = frozenset(
        {
            *("negative_prompt", "scheduler", "loras", "controlnet", "clip_skip", "acceleration"),
            *("ip_adapters", "prompt_weighting"),
        }
    )
    ADVANCED = Request.ADVANCED | {
        *("negative_prompt", "guidance_scale", "scheduler", "clip_skip", "loras"),
        *("controlnet", "control_image", "controlnet_conditioning_scale"),
        *("acceleration", "ip_adapters", "prompt_weighting"),
    }

    prompt: Annotated[Text, AfterValidator(not_blank)] = Field(
        max_length=2000, title="Prompt", description="What the picture should show."
    )
    negative_prompt: Text = Field(
        "", max_length=2000, title="Negative prompt", description="What the picture should not show."
    )
    width: Side | None = Field(
        None, title="Width", description="Width in pixels; by default the model's default width."
    )
    height: Side | None = Field(
        None, title="Height", description="Height in pixels; by default the model's default height."
    )
    num_inference_steps: int | None = Field(
        None,
        ge=1,
        le=200,
        title="Steps",
        description="Number of denoising steps. More steps take longer and usually give finer pictures.",
    )
    guidance_scale: float | None = Field(
        None,
        ge=0.0,
        le=50.0,
        allow_inf_nan=False,
        title="Guidance scale",
        description="Weight of classifier-free guidance (Ho and Salimans, 2022). 1 and below switch it off.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        title="Seed",
        description="Seed of the random numbers; picture i of a job uses seed + i. Random by default.",
    )
    num_images_per_prompt: int = Field(
        1, ge=1, le=16, title="Pictures", description="Number of pictures to generate."
    )
    scheduler: str | None = Field(
        None,
        max_length=100,
        title="Scheduler",
        description="A diffusers scheduler class that the model offers; by default the model's own.",
    )
    clip_skip: int | None = Field(
        None, ge=1, le=11, title="Clip skip", description="Number of last text encoder layers to skip."
    )
    loras: Annotated[tuple[LoraChoice, ...], Field(strict=False)] = Field(
        (), max_length=8, title="LoRA adapters", description="LoRA adapters of the catalogue to apply."
    )
    controlnet: str | None = Field(
        None,
        max_length=200,
        title="ControlNet",
        description="A ControlNet of the catalogue. It requires `control_image`.",
    )
    control_image: Picture | None = Field(
        None,
        title="Control image",
        description="Picture that the ControlNet follows, such as edges or depth.",
    )
    controlnet_conditioning_scale: float | None = Field(
        None,
        ge=0.0,
        le=4.0,
        allow_inf_nan=False,
        title="ControlNet scale",
        description="Weight of the ControlNet; 1 by default.",
    )
    acceleration: Acceleration = 0.0
    ip_adapters: IpAdapters = ()
    prompt_weighting: PromptWeighting = None

    @property
    def summary(self) -> str:
        """Size, number of pictures and steps."""
        pictures = f" x{self.num_images_per_prompt}" if self.num_images_per_prompt > 1 else ""
        size = f"{self.width}x{self.height}{pictures} " if self.width and self.height else pictures.lstrip()
        skips = f", acceleration {self.acceleration:g}" if self.acceleration else ""
        return f"{size}{self.num_inference_steps} steps{skips}"

    @property
    def cost(self) -> float:
        """Megapixels x pictures x computed steps of a complete request."""
        pixels = (self.width or 0) * (self.height or 0) * self.num_images_per_prompt
        return pixels * num_computed(self.num_inference_steps or 0, self.acceleration) / 1e6


class GenerationResult(Result):
    """Pictures and their seeds. A job for one picture with seed `seeds[i]` generates `images[i]` again."""

    images: tuple[Artifact, ...] = Field(title="Picture")
    seed: int
    seeds: tuple[int, ...]
    nsfw_content_detected: tuple[bool, ...] | None = Field(
        None, description="For each picture whether the safety checker of the model replaced it with black."
    )


def check_limits(request: GenerationRequest, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse sizes, steps and schedulers that the model does not offer.

    Raises:
        InvalidRequest: A field exceeds a limit of the model.
    """
    wrong, limits = Refusals(), model.limits
    for name, side in (("width", request.width or 0), ("height", request.height or 0)):
        with wrong.noted():
            _check_side(name, side, model)
    for name, value, limit in (
        ("num_inference_steps", request.num_inference_steps or 0, limits.max_steps),
        ("num_images_per_prompt", request.num_images_per_prompt, limits.max_images),
    ):
        with wrong.noted():
            _at_most(name, value, limit, model)
    if not wrong:
        with wrong.noted():
            _check_pixels(request, model)
    with wrong.noted():
        _check_scheduler(request, model)
    wrong.raise_any()


def _check_side(name: str, side: int, model: "Model") -> None:
    _at_most(name, side, model.limits.max_side, model)
    multiple = model.multiple_of
    if side % multiple:
        raise InvalidRequest(
            said(
                "{field}: {side} is not a multiple of {multiple}, as {model} requires.",
                field=name,
                side=side,
                multiple=multiple,
                model=model.name,
            ),
            field=name,
            hint=said("Use {value}.", value=-(-side // multiple) * multiple),
        )


def _check_pixels(request: GenerationRequest, model: "Model") -> None:
    limits = model.limits
    pixels = (request.width or 0) * (request.height or 0) * request.num_images_per_prompt
    if pixels > limits.max_pixels_per_job:
        raise InvalidRequest(
            said(
                "width x height x num_images_per_prompt is {pixels} pixels. {model} allows "
                "{max_pixels_per_job} pixels per job.",
                pixels=pixels,
                model=model.name,
                max_pixels_per_job=limits.max_pixels_per_job,
            ),
            field="num_images_per_prompt",
            hint="Use fewer or smaller pictures, or submit several jobs.",
        )


def _check_scheduler(request: GenerationRequest, model: "Model") -> None:
    if request.scheduler is not None and request.scheduler not in model.schedulers:
        offered = model.schedulers
        raise InvalidRequest(
            said(
                "scheduler: {model} does not offer {scheduler!r}.",
                model=model.name,
                scheduler=request.scheduler,
            ),
            field="scheduler",
            hint=said("Choose one of {offered}.", offered=offered)
            if offered
            else "Leave the field out: the model has one scheduler.",
        )


def check_strength(request: Any, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse a strength that leaves no denoising step.

    Raises:
        InvalidRequest: `num_inference_steps` x `strength` rounds to 0.
    """
    num_steps, strength = request.num_inference_steps or 0, request.strength
    if strength is not None and int(num_steps * strength) < 1:
        raise InvalidRequest(
            said(
                "strength: {strength:g} of {num_steps} steps rounds to 0 steps.",
                strength=strength,
                num_steps=num_steps,
            ),
            field="strength",
            hint=_enough(strength, num_steps, model.limits.max_steps),
        )


def _enough(strength: float, num_steps: int, max_steps: int) -> Phrase:
    least = math.ceil(1000 / num_steps) / 1000
    # A tiny strength asks for more steps than the model allows, up to more than a number can say.
    if strength * max_steps < 1:
        return said("Use at least {strength:g}.", strength=least)
    steps = math.ceil(1 / strength)
    return said("Use at least {strength:g}, or at least {steps} steps.", strength=least, steps=steps)


def size_of_input(asked: Any, complete: Mapping[str, Any], model: "Model") -> Mapping[str, Any]:
    """Leave out default sizes of the model: the result has the size of the input picture."""
    left_out = {name for name in ("width", "height") if getattr(asked, name) is None}
    return {name: value for name, value in complete.items() if name not in left_out}


def facts(result: GenerationResult) -> Iterable[tuple[str, str]]:
    """Return size and seed of each picture."""
    hidden = result.nsfw_content_detected or (False,) * len(result.images)
    for index, (image, seed) in enumerate(zip(result.images, result.seeds, strict=False)):
        note = ", replaced with black by the safety checker" if hidden[index] else ""
        yield f"image {index}", f"{image.width}x{image.height}, seed {seed}{note}"


def view(job: "Job") -> Sequence[Block]:
    """Return the seed of each picture, and which pictures the safety checker replaced."""
    result = job.result
    if not isinstance(result, GenerationResult):
        return ()
    hidden = result.nsfw_content_detected or (False,) * len(result.images)
    notes = [
        (seed_note(seed), *((_HIDDEN,) if is_hidden else ()))
        for seed, is_hidden in zip(result.seeds, hidden, strict=False)
    ]
    return (PictureNotes(notes),)


def seed_note(seed: int) -> Cell:
    """Return the note that names a seed."""
    return {"en": f"seed {seed}", "zh": f"随机种子 {seed}"}


_HIDDEN = {"en": "replaced with black by the safety checker", "zh": "已被安全检查器替换为黑色"}


def sample(job: "Job", picture: "ReadPicture") -> Mapping[str, Any]:
    """Return pictures of one colour each, which depends on prompt and seed."""
    from PIL import Image

    request = job.request
    size = (request.width, request.height)
    if None in size:
        size = picture(request.images[0] if hasattr(request, "images") else request.image).size
    drawn = [
        hashlib.sha256(f"{request.seed + number} {request.prompt}".encode()).digest()
        for number in range(request.num_images_per_prompt)
    ]
    return {"images": [Image.new("RGB", size, tuple(colour[:3])) for colour in drawn]}


def from_short(written: Any) -> Mapping[str, Any] | None:
    """Return the fields for a picture or a list of pictures."""
    if isinstance(written, str):
        return None
    if isinstance(written, list | tuple):
        return {"images": list(written)}
    is_picture = isinstance(written, bytes) or hasattr(written, "getbands")
    return {"images": [written]} if is_picture else None


def _at_most(name: str, value: int, limit: int, model: "Model") -> None:
    if value > limit:
        raise InvalidRequest(
            said(
                "{field}: {value} exceeds the limit of {model}, {limit}.",
                field=name,
                value=value,
                model=model.name,
                limit=limit,
            ),
            field=name,
        )
