"""Kind `image-upscaling`: a picture with more pixels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from brushwork_schemas.artifact import Artifact, DigitalSource, Picture
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.generation import Acceleration, seed_note
from brushwork_schemas.kinds.generation.step_skipping import num_computed
from brushwork_schemas.kinds.generation.words import GENERATION_CHINESE, GENERATION_ENGLISH
from brushwork_schemas.kinds.kind import Kind, ReadPicture
from brushwork_schemas.kinds.request import NewPictureRequest, Text
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Cell, PictureNotes

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Model
    from brushwork_schemas.job import Job

_SAMPLE_SCALE = 2


class ImageUpscalingRequest(NewPictureRequest):
    """Enlarge a picture and add fitting detail."""

    SPECIAL = frozenset(
        {
            *("prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "noise_level", "seed"),
            "acceleration",
        }
    )
    ADVANCED = NewPictureRequest.ADVANCED | {
        *("prompt", "negative_prompt", "guidance_scale", "noise_level", "acceleration")
    }

    image: Picture = Field(title="Picture", description="The picture to enlarge.")
    prompt: Text = Field(
        "",
        max_length=2000,
        title="Prompt",
        description="What the picture shows, for models that take a prompt.",
    )
    negative_prompt: Text = Field(
        "", max_length=2000, title="Negative prompt", description="What the picture should not show."
    )
    num_inference_steps: int | None = Field(
        None, ge=1, le=200, title="Steps", description="Number of denoising steps."
    )
    guidance_scale: float | None = Field(
        None,
        ge=0.0,
        le=50.0,
        allow_inf_nan=False,
        title="Guidance scale",
        description="Weight of classifier-free guidance. 1 and below switch it off.",
    )
    noise_level: int | None = Field(
        None,
        ge=0,
        le=350,
        title="Noise level",
        description="Noise that is added to the picture first. More noise lets the model change more.",
    )
    seed: int | None = Field(
        None, ge=0, le=2**63 - 1, title="Seed", description="Seed of the random numbers. Random by default."
    )
    acceleration: Acceleration = 0.0

    @property
    def cost(self) -> float:
        """Computed steps x 1 megapixel, because the size is known only once the picture is read."""
        return float(num_computed(self.num_inference_steps or 1, self.acceleration))


class ImageUpscalingResult(Result):
    """The enlarged picture."""

    image: Artifact
    scale: float = Field(description="New width divided by old width.")
    seed: int | None = Field(None, description="None for models that use no random numbers.")


def _facts(result: ImageUpscalingResult) -> Iterable[tuple[str, str]]:
    yield "image", f"{result.image.width}x{result.image.height}, {result.scale:g} times as wide"


def _view(job: "Job") -> Sequence[Block]:
    result = job.result
    if not isinstance(result, ImageUpscalingResult):
        return ()
    notes: list[Cell] = [f"{result.scale:g} ×"]
    if result.seed is not None:
        notes.append(seed_note(result.seed))
    return (PictureNotes([notes]),)


def _files(result: ImageUpscalingResult) -> Mapping[str, Artifact]:
    return {"upscaled": result.image}


def _sample(job: "Job", picture: ReadPicture) -> Mapping[str, Any]:
    given = picture(job.request.image).convert("RGB")
    size = (given.width * _SAMPLE_SCALE, given.height * _SAMPLE_SCALE)
    return {"image": given.resize(size), "scale": float(_SAMPLE_SCALE), "seed": job.request.seed}


def _from_short(written: Any) -> Mapping[str, Any] | None:
    is_picture = isinstance(written, bytes) or hasattr(written, "getbands")
    return {"image": written} if is_picture else None


def _draws_seed(asked: ImageUpscalingRequest, model: "Model") -> bool:
    return "seed" in model.accepts


KIND = Kind(
    name="image-upscaling",
    request_type=ImageUpscalingRequest,
    result_type=ImageUpscalingResult,
    title={"en": "Upscaling", "zh": "高清放大"},
    action={"en": "Enlarge a picture", "zh": "放大图片"},
    example={"image": RED_PICTURE},
    sample=_sample,
    facts=_facts,
    view=_view,
    files_by_name=_files,
    draws_seed=_draws_seed,
    from_short=_from_short,
    follow_up={"en": "Enlarge it", "zh": "放大这张"},
    makes_pictures=True,
    digital_source=DigitalSource.COMPOSITE,
    words={
        "en": GENERATION_ENGLISH,
        "zh": {
            **GENERATION_CHINESE,
            "field.prompt.label": "内容",
            "field.prompt.hint": "适用于接受文字的模型。",
            "field.noise_level.label": "噪声强度",
            "field.noise_level.hint": "先加到图片上的噪声；越多，模型改动越大。",
        },
    },
    order=40,
)
