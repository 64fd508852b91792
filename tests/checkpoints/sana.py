"""A Sana of its real classes that makes pictures of 512 x 512, the smallest of its sizes."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderDC, DPMSolverMultistepScheduler, SanaPipeline, SanaTransformer2DModel
from transformers import Gemma2Config, Gemma2Model, GemmaTokenizer

from tests.checkpoints.listening import listening

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")


def sana() -> SanaPipeline:
    torch.manual_seed(0)
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=32,
        # Of latents; what it stands for decides which sizes the pipeline knows.
        sample_size=16,
    )
    listening(transformer)
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, algorithm_type="dpmsolver++"
    )
    return SanaPipeline(
        tokenizer=gemma_tokenizer(),
        text_encoder=gemma(),
        vae=autoencoder(),
        transformer=transformer,
        scheduler=scheduler,
    )


def save(folder: Path) -> Path:
    sana().save_pretrained(folder)
    return folder


def autoencoder() -> AutoencoderDC:
    """A latent for 32 x 32 pixels, as its big ones have."""
    torch.manual_seed(0)
    no_attention = ((),) * 6
    return AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_out_channels=(4, 4, 4, 8, 8, 8),
        decoder_block_out_channels=(4, 4, 4, 8, 8, 8),
        encoder_layers_per_block=(1,) * 6,
        decoder_layers_per_block=(1,) * 6,
        encoder_qkv_multiscales=no_attention,
        decoder_qkv_multiscales=no_attention,
        scaling_factor=0.41407,
    )


def gemma_tokenizer(**options: Any) -> GemmaTokenizer:
    pieces = [*SPECIAL, "▁", *sorted(set("aredbluecirclestar"))]
    return GemmaTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[], **options)


def gemma() -> Gemma2Model:
    torch.manual_seed(0)
    return Gemma2Model(
        Gemma2Config(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
        )
    )
