"""Components that several tiny pipelines share. Each call makes new ones, with the same weights."""

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import (
    CLIPImageProcessor,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from tests.checkpoints.words import word_tokenizer
from tests.tiny_models import clip_config

WIDTH = 32


def unet(**options: Any) -> UNet2DConditionModel:
    """Return a UNet of two blocks, as that of Stable Diffusion is."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        **{
            "sample_size": 16,
            "block_out_channels": (32, 64),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": WIDTH,
            "norm_num_groups": 8,
            **options,
        }
    )


def autoencoder(depth: int = 2, **options: Any) -> AutoencoderKL:
    """Return an autoencoder with a latent for 2 ** (depth - 1) pixels of a side."""
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(16,) * depth,
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        norm_num_groups=8,
        **options,
    )


def t5(**options: Any) -> T5EncoderModel:
    """Return a text encoder of one layer."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 200, "d_model": WIDTH, "d_kv": 8, "d_ff": 37, "num_layers": 1, "num_heads": 4}
    return T5EncoderModel(T5Config(**{**sizes, **options}))


def words(**options: Any) -> Any:
    """Return a tokenizer of a few words."""
    return word_tokenizer(model_max_length=options.pop("length", 32), **options)


def clip_with_projection(**options: Any) -> CLIPTextModelWithProjection:
    """Return a text encoder of CLIP with its projection."""
    torch.manual_seed(0)
    config = clip_config()
    for name, value in options.items():
        setattr(config, name, value)
    return CLIPTextModelWithProjection(config)


def clip_vision(**options: Any) -> CLIPVisionModelWithProjection:
    """Return a picture encoder of CLIP."""
    torch.manual_seed(0)
    sizes = {
        "hidden_size": WIDTH,
        "intermediate_size": 37,
        "projection_dim": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": WIDTH,
        "patch_size": 8,
    }
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**{**sizes, **options}))


def clip_pictures() -> CLIPImageProcessor:
    """Return what prepares pictures for `clip_vision`."""
    side = {"height": WIDTH, "width": WIDTH}
    return CLIPImageProcessor(crop_size=side, size={"shortest_edge": WIDTH})
