"""A PixArt-Sigma of its real classes that makes pictures of 256 x 256, the smallest of its sizes."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
)
from transformers import T5Config, T5EncoderModel, T5Tokenizer


def pixart_sigma() -> PixArtSigmaPipeline:
    torch.manual_seed(0)
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        cross_attention_dim=16,
        # Of latents; what it stands for decides which sizes the pipeline knows.
        sample_size=32,
        caption_channels=32,
    )
    autoencoder = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
    )
    return PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_encoder(),
        vae=autoencoder,
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(),
    )


def save(folder: Path) -> Path:
    pixart_sigma().save_pretrained(folder)
    return folder


def t5_tokenizer() -> T5Tokenizer:
    words = ("a", "red", "blue", "circle", "star")
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"▁{word}", -1.0) for word in words)]
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def t5_encoder() -> T5EncoderModel:
    torch.manual_seed(0)
    config = T5Config(vocab_size=200, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    return T5EncoderModel(config)
