"""Stable Diffusion pipelines with denoisers of real size and random weights; nothing is downloaded.

The pipelines have only a denoiser. The input are prompt embeddings and the output are latents, so the
measurement covers the denoising, which takes nearly all of the time of a picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)

NUM_TOKENS = 77
POOLED = 1280
GUIDANCE = 5.0
# The denoisers' config.json of the released checkpoints, as far as it differs from diffusers' defaults.
SD15 = {"cross_attention_dim": 768}
SDXL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_TINY = {"layers_per_block": 1, "norm_num_groups": 8, "cross_attention_dim": 32}
_TINY_SD15 = {
    **_TINY,
    "block_out_channels": (16, 32),
    "attention_head_dim": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
_TINY_SDXL = {
    **SDXL,
    **_TINY,
    "block_out_channels": (16, 32, 32),
    "transformer_layers_per_block": (1, 1, 1),
    "attention_head_dim": (2, 4, 4),
}
FAMILIES = ("sd15", "sdxl")


@dataclass(frozen=True)
class Picture:
    """One job: everything random in it comes from the seed."""

    seed: int
    side: int
    num_steps: int


class RandomPipeline:
    """A stock pipeline and how it is called.

    Args:
        family: `sd15` or `sdxl`.
        device: Where it runs.
        dtype: Its number format.
        tiny: A few thousand weights, for tests.
    """

    def __init__(self, family: str, device: torch.device, dtype: torch.dtype, *, tiny: bool) -> None:
        self._is_xl = family == "sdxl"
        self._device, self._dtype = device, dtype
        self._config: dict[str, Any] = _config(family, tiny)
        torch.manual_seed(0)
        with device:
            unet: Any = UNet2DConditionModel(**self._config)
        self.pipeline = _pipeline(self._is_xl, unet.to(dtype=dtype).eval())

    def run(self, pipeline: Any, pictures: Sequence[Picture]) -> torch.Tensor:
        """The latents of some pictures of one size and step count, in one call of `pipeline`.

        Args:
            pipeline: This one's `pipeline`, or a copy of it.
            pictures: What to make.
        """
        first = pictures[0]
        latents: torch.Tensor = pipeline(
            **self._embeddings(pictures),
            width=first.side,
            height=first.side,
            num_inference_steps=first.num_steps,
            guidance_scale=GUIDANCE,
            generator=[torch.Generator("cpu").manual_seed(picture.seed) for picture in pictures],
            output_type="latent",
        ).images
        return latents

    def _embeddings(self, pictures: Sequence[Picture]) -> dict[str, torch.Tensor]:
        width = self._config["cross_attention_dim"]
        shapes: dict[str, tuple[int, ...]] = {
            "prompt_embeds": (NUM_TOKENS, width),
            "negative_prompt_embeds": (NUM_TOKENS, width),
        }
        if self._is_xl:
            shapes |= {"pooled_prompt_embeds": (POOLED,), "negative_pooled_prompt_embeds": (POOLED,)}
        generators = [torch.Generator("cpu").manual_seed(picture.seed) for picture in pictures]
        return {
            name: torch.stack([torch.randn(shape, generator=each) for each in generators]).to(
                self._device, self._dtype
            )
            for name, shape in shapes.items()
        }


def _config(family: str, tiny: bool) -> dict[str, Any]:
    configs: dict[tuple[str, bool], dict[str, Any]] = {
        ("sd15", False): SD15,
        ("sdxl", False): SDXL,
        ("sd15", True): _TINY_SD15,
        ("sdxl", True): _TINY_SDXL,
    }
    return configs[family, tiny]


def _pipeline(is_xl: bool, unet: Any) -> Any:
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    absent = dict.fromkeys(("vae", "text_encoder", "tokenizer"))
    pipeline: Any
    if is_xl:
        absent |= dict.fromkeys(("text_encoder_2", "tokenizer_2"))
        pipeline = StableDiffusionXLPipeline(**absent, unet=unet, scheduler=scheduler, add_watermarker=False)
    else:
        absent |= dict.fromkeys(("safety_checker", "feature_extractor"))
        pipeline = StableDiffusionPipeline(
            **absent, unet=unet, scheduler=scheduler, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
