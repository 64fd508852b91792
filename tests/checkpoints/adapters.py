"""IP-Adapters and textual inversions of random weights that are strong enough to be seen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

WIDTH, IMAGE_WIDTH = 32, 24


def with_dense_tokens(pipeline: Any) -> Any:
    """Return a tiny pipeline whose tokenizers have no gaps, so that diffusers can add words to them."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    known = dict(pipeline.components)
    torch.manual_seed(3)
    for name, kind in (("", CLIPTextModel), ("_2", CLIPTextModelWithProjection)):
        if known.get(f"tokenizer{name}") is None:
            continue
        vocabulary = {piece: index for index, piece in enumerate(pieces)}
        known[f"tokenizer{name}"] = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)
        known[f"text_encoder{name}"] = kind(_text_config(len(pieces)))
    return type(pipeline)(**known, **({} if "tokenizer_2" in known else {"requires_safety_checker": False}))


def save_ip_adapter(folder: Path, unet: Any, seed: int, *, plus: bool = False, encoder: bool = True) -> Path:
    """Save an IP-Adapter for a UNet like this one, with its image encoder.

    Args:
        folder: Where its files go: `adapter.safetensors` and the folder `image_encoder`.
        unet: The UNet.
        seed: Of the weights. Those of the image encoder are the same for all.
        plus: Whether it takes the hidden states of the image encoder.
        encoder: Whether it brings an image encoder.
    """
    if encoder:
        _save_image_encoder(folder / "image_encoder")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    width = unet.config.cross_attention_dim
    layers = [name for name in unet.attn_processors if not name.endswith("attn1.processor")]
    state = {}
    for number, name in enumerate(layers):
        rows = unet.get_submodule(name.removesuffix(".processor")).to_q.weight.shape[0]
        for part in ("to_k_ip", "to_v_ip"):
            state[f"ip_adapter.{2 * number + 1}.{part}.weight"] = torch.randn(rows, width) * 0.3
    made = _plus(width) if plus else _plain(width)
    save_file(
        {**state, **{f"image_proj.{name}": each for name, each in made.items()}},
        folder / "adapter.safetensors",
    )
    return folder


def save_textual_inversion(folder: Path, tensors: Mapping[str, Any], seed: int = 4) -> Path:
    """Save vectors under the given names.

    Args:
        folder: Where the file goes.
        tensors: The number of vectors by name; None for one vector without an axis for the number.
        seed: Of the values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    made = {
        name: torch.randn(WIDTH) if rows is None else torch.randn(rows, WIDTH)
        for name, rows in tensors.items()
    }
    save_file(made, folder / "learned_embeds.safetensors")
    return folder


def _text_config(tokens: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=tokens,
        max_position_embeddings=77,
        projection_dim=32,
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
        pad_token_id=1,
    )


def _save_image_encoder(folder: Path) -> None:
    torch.manual_seed(9)
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=2,
            image_size=32,
            patch_size=8,
            projection_dim=IMAGE_WIDTH,
        )
    ).save_pretrained(folder)


def _plain(width: int) -> dict[str, Any]:
    return {
        "proj.weight": torch.randn(4 * width, IMAGE_WIDTH) * 0.3,
        "proj.bias": torch.randn(4 * width) * 0.1,
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }


def _plus(width: int) -> dict[str, Any]:
    """The projection of an IP-Adapter Plus: a resampler of four layers, each with one head of 64 channels."""
    inner = 64
    made = {
        "latents": torch.randn(1, 3, inner) * 0.3,
        "proj_in.weight": torch.randn(inner, 32) * 0.2,
        "proj_in.bias": torch.zeros(inner),
        "proj_out.weight": torch.randn(width, inner) * 0.2,
        "proj_out.bias": torch.zeros(width),
        "norm_out.weight": torch.ones(width),
        "norm_out.bias": torch.zeros(width),
    }
    for layer in range(4):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            made[f"layers.{layer}.{norm}.weight"] = torch.ones(inner)
            made[f"layers.{layer}.{norm}.bias"] = torch.zeros(inner)
        sizes = {"0.to_q": (64, inner), "0.to_kv": (128, inner), "0.to_out": (inner, 64)}
        for name, size in {**sizes, "1.1": (4 * inner, inner), "1.3": (inner, 4 * inner)}.items():
            made[f"layers.{layer}.{name}.weight"] = torch.randn(size) * 0.2
    return made
