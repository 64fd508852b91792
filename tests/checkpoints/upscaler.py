"""Stable Diffusion's upscaler, tiny."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableDiffusionUpscalePipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel

from tests.tiny_models import clip_config, clip_tokenizer


def save(folder: Path) -> Path:
    """The whole pipeline, of the parts that `stabilityai/stable-diffusion-x4-upscaler` has."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        # The latents' four, and the small picture's three.
        in_channels=7,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        norm_num_groups=8,
        num_class_embeds=1000,
    )
    autoencoder = AutoencoderKL(
        block_out_channels=(16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=8,
        scaling_factor=0.08333,
    )
    pipeline: Any = StableDiffusionUpscalePipeline(
        vae=autoencoder,
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        unet=unet,
        low_res_scheduler=DDPMScheduler(),
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
    )
    pipeline.save_pretrained(folder)
    return folder
