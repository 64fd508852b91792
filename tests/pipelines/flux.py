"""Relatives of FLUX.1, tiny: editing, filling, control pictures, and grids of pictures."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from diffusers import (
    FluxControlImg2ImgPipeline,
    FluxControlInpaintPipeline,
    FluxControlPipeline,
    FluxFillPipeline,
    FluxKontextInpaintPipeline,
    FluxKontextPipeline,
    FluxTransformer2DModel,
    VisualClozeGenerationPipeline,
    VisualClozePipeline,
)

from tests.pipelines.parts import autoencoder
from tests.pipelines.trial import Trial, mask, picture, sized
from tests.tiny_pipelines import flux


def relative(kind: type[Any], channels: int = 16, *, guided: bool = True, **options: Any) -> Any:
    parts = {name: part for name, part in flux().components.items() if part is not None}
    torch.manual_seed(0)
    parts["transformer"] = FluxTransformer2DModel(
        patch_size=1,
        in_channels=channels,
        out_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=[4, 4, 8],
        guidance_embeds=guided,
    )
    parts["vae"] = autoencoder(latent_channels=4, shift_factor=0.06)
    return kind(**parts, **options)


def grid(index: int) -> list[list[Any]]:
    """Return an example, and a task whose answer is to be filled in."""
    drawn = picture()
    return [[drawn(index), drawn(index + 1)], [drawn(index + 2), None]]


CLOZE = {
    "task_prompt": lambda index: ("a red circle", "a star")[index % 2],
    "content_prompt": lambda index: ("a star", "a red star")[index % 2],
    "image": grid,
    "max_sequence_length": 16,
}
SHORT = {"max_sequence_length": 16, **sized()}
CONTROL = {"control_image": picture(), **SHORT}
UNCHANGED_SIZE = {"_auto_resize": False, "max_area": 32 * 32}
START = {"image": picture(), "strength": 0.8}
TRIALS = {
    "FluxKontextPipeline": Trial(
        lambda: relative(FluxKontextPipeline),
        {"image": picture(), "_auto_resize": False, "max_area": 32 * 32, **SHORT},
    ),
    "FluxKontextInpaintPipeline": Trial(
        lambda: relative(FluxKontextInpaintPipeline),
        {**START, "mask_image": mask(), **UNCHANGED_SIZE, **SHORT},
    ),
    # The picture without its middle (16 channels), and the mask (2 x 2 x 4 of a latent).
    "FluxFillPipeline": Trial(
        lambda: relative(FluxFillPipeline, 48), {"image": picture(), "mask_image": mask(), **SHORT}
    ),
    "FluxControlPipeline": Trial(lambda: relative(FluxControlPipeline, 32), CONTROL),
    "FluxControlImg2ImgPipeline": Trial(
        lambda: relative(FluxControlImg2ImgPipeline, 32), {**CONTROL, **START}
    ),
    "FluxControlInpaintPipeline": Trial(
        lambda: relative(FluxControlInpaintPipeline, 32), {**CONTROL, **START, "mask_image": mask()}
    ),
    "VisualClozePipeline": Trial(
        lambda: relative(VisualClozePipeline, 48, resolution=32),
        {**CLOZE, "upsampling_height": 32, "upsampling_width": 32, "upsampling_strength": 0.8},
        prompt=None,
        first_steps=3,
    ),
    "VisualClozeGenerationPipeline": Trial(
        lambda: relative(VisualClozeGenerationPipeline, 48, resolution=32), CLOZE, prompt=None
    ),
}
