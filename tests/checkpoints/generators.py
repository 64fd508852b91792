"""A tiny model of each family that makes pictures of words, and entries for the same files in other roles."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline

from tests import tiny_pipelines
from tests.checkpoints import pixart_sigma, qwen_image, sana, stable_diffusion


@dataclass(frozen=True)
class Tiny:
    """A model of the tests' catalogue.

    Args:
        family: Of the catalogue.
        save: Writes its checkpoint.
        side: Of its pictures.
        other_side: A width that jobs may also ask for.
        scheduler: Another than its own.
        more: Of its own requests.
        loading: By which upstream finds the same weights.
    """

    family: str
    save: Callable[[Path], Any]
    side: int = 32
    other_side: int = 48
    scheduler: str = "EulerAncestralDiscreteScheduler"
    more: dict[str, Any] = field(default_factory=dict)
    loading: dict[str, Any] = field(default_factory=dict)


def _saved(pipeline: Callable[[], DiffusionPipeline], **how: Any) -> Callable[[Path], Any]:
    return lambda folder: pipeline().save_pretrained(folder, **how)


def stable_diffusion_3() -> DiffusionPipeline:
    """With its third text encoder, which is a T5."""
    pipeline: Any = tiny_pipelines.stable_diffusion_3()
    pipeline.register_modules(
        text_encoder_3=pixart_sigma.t5_encoder(), tokenizer_3=pixart_sigma.t5_tokenizer()
    )
    return pipeline


_NEGATIVE = {"negative_prompt": "a blue star"}
TINY = {
    "sd": Tiny(
        "stable-diffusion",
        _saved(tiny_pipelines.stable_diffusion),
        scheduler="HeunDiscreteScheduler",
        more={**_NEGATIVE, "clip_skip": 1},
    ),
    "sdxl": Tiny(
        "stable-diffusion-xl",
        _saved(tiny_pipelines.stable_diffusion_xl, variant="fp16"),
        scheduler="DPMSolverMultistepScheduler",
        more={**_NEGATIVE, "clip_skip": 1},
        loading={"variant": "fp16"},
    ),
    "sd3": Tiny(
        "stable-diffusion-3",
        _saved(stable_diffusion_3),
        scheduler="DPMSolverMultistepScheduler",
        more={**_NEGATIVE, "clip_skip": 1},
    ),
    "schnell": Tiny("flux", _saved(tiny_pipelines.flux), scheduler="UniPCMultistepScheduler"),
    "pixart": Tiny("pixart-sigma", pixart_sigma.save, 256, 304, more=_NEGATIVE),
    "sana": Tiny("sana", sana.save, 512, 544, "FlowMatchEulerDiscreteScheduler", more=_NEGATIVE),
    "qwen": Tiny(
        "qwen-image",
        qwen_image.save,
        scheduler="UniPCMultistepScheduler",
        more={**_NEGATIVE, "prompt": "红色圆形"},
    ),
}
STEPS = 3
_ENTRY = """
[models.{name}]
family = "{tiny.family}"
source = {{ folder = "{folder}/{name}"{variant} }}
kinds = ["text-to-image"]
defaults = {{ width = {tiny.side}, height = {tiny.side}, num_inference_steps = {steps} }}
"""
# Of one checkpoint: as it ships, without its checker, and as a distilled model's entry is.
_ROLES = """
[models.checked]
family = "stable-diffusion"
source = {{ folder = "{folder}/checked" }}
kinds = ["text-to-image"]
defaults = {{ width = 32, height = 32 }}

[models.unchecked]
family = "stable-diffusion"
source = {{ folder = "{folder}/checked" }}
kinds = ["text-to-image"]
defaults = {{ width = 32, height = 32 }}
safety_checker = false

[models.turbo]
family = "stable-diffusion"
source = {{ folder = "{folder}/sd" }}
kinds = ["text-to-image"]
accepts = ["loras"]
schedulers = []
defaults = {{ width = 32, height = 32, num_inference_steps = 1, guidance_scale = 0.0 }}
"""


def save_all(folder: Path) -> str:
    """A folder for each; their entries of a catalogue."""
    entries = []
    for name, tiny in TINY.items():
        tiny.save(folder / name)
        variant = ', variant = "fp16"' if tiny.loading else ""
        entries.append(_ENTRY.format(name=name, tiny=tiny, folder=folder, variant=variant, steps=STEPS))
    stable_diffusion.save(folder / "checked")
    return "".join([*entries, _ROLES.format(folder=folder)])
