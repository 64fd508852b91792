"""A Qwen-Image of its real classes that makes pictures of 32 x 32."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from tests.checkpoints.listening import listening

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def qwen_image() -> QwenImagePipeline:
    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 4, 8),
    )
    listening(transformer)
    return QwenImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        transformer=transformer,
    )


def save(folder: Path) -> Path:
    qwen_image().save_pretrained(folder)
    return folder


def autoencoder() -> AutoencoderKLQwenImage:
    """A latent for 8 x 8 pixels; pictures are videos of one frame to it."""
    torch.manual_seed(0)
    return AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.1, -0.1, 0.2, 0.0],
        latents_std=[1.1, 0.9, 1.0, 1.2],
    )


def text_encoder() -> Qwen2_5_VLForConditionalGeneration:
    torch.manual_seed(0)
    text = {
        "vocab_size": 512,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6},
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 32,
        "fullatt_block_indexes": [0],
    }
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision))


def tokenizer() -> Qwen2Tokenizer:
    """A token for each byte, as its big ones have under their words."""
    pieces = [*SPECIAL, *sorted(ByteLevel.alphabet())]
    known = Qwen2Tokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[])
    known.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    return known
