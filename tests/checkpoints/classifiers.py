"""Image classifiers of transformers and torchvision with random weights, saved as the big ones are."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    ConvNextImageProcessor,
    ResNetConfig,
    ResNetForImageClassification,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipProcessor,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from tests.checkpoints.words import WORDS, word_tokenizer
from tests.tiny_models import clip_tokenizer

LABELS = {index: f"class {index}" for index in range(7)}
_TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
}
_EYES = {**_TOWER, "image_size": 32, "patch_size": 8}


def save_vit(folder: Path) -> Path:
    """A `ViTForImageClassification` of seven classes."""
    torch.manual_seed(0)
    # Wider than usual at the start: else the classes of two pictures differ too little to be told apart.
    ViTForImageClassification(ViTConfig(**_EYES, id2label=LABELS, initializer_range=0.5)).save_pretrained(
        folder
    )
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_resnet(folder: Path) -> Path:
    """A `ResNetForImageClassification` whose seven classes don't exclude one another."""
    torch.manual_seed(0)
    ResNetForImageClassification(
        ResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            layer_type="basic",
            id2label=LABELS,
            problem_type="multi_label_classification",
        )
    ).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.875).save_pretrained(folder)
    return folder


def save_clip(folder: Path) -> Path:
    """A `CLIPModel` that compares pictures of 32 x 32 with letters."""
    torch.manual_seed(0)
    words = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1}
    config = CLIPConfig(
        text_config={**_TOWER, **words}, vision_config=_EYES, projection_dim=16, initializer_factor=8.0
    )
    CLIPModel(config).save_pretrained(folder)
    eyes = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(eyes, clip_tokenizer()).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """A `SiglipModel` with a vocabulary of a few words."""
    torch.manual_seed(0)
    words = {"vocab_size": len(WORDS) + 4, "max_position_embeddings": 64, "projection_size": 32}
    config = SiglipConfig(text_config={**_TOWER, **words}, vision_config=_EYES)
    network = SiglipModel(config)
    network.logit_scale.data.fill_(2.0)
    network.logit_bias.data.fill_(-1.0)
    network.save_pretrained(folder)
    eyes = SiglipImageProcessor(size={"height": 32, "width": 32})
    tokens = word_tokenizer(model_input_names=["input_ids"])
    SiglipProcessor(eyes, tokens).save_pretrained(folder)
    return folder


def save_torchvision(folder: Path, model: str, weights: str, num_classes: int, **options: object) -> Path:
    """A network of torchvision with random weights in the place of those it publishes.

    Args:
        folder: Where to.
        model: As `get_model` names it.
        weights: As `get_weight` names them.
        num_classes: That they have.
        **options: More for the constructor.
    """
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    network = get_model(model, weights=None, num_classes=num_classes, **options)
    _waken(network)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"library": "torchvision", "weights": weights}))
    return folder


def _waken(network: nn.Module) -> None:
    """Let every norm know its layer's values: untrained, the signal fades and all pictures look alike."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.rand(4, 3, 96, 96))
        last = [part for part in network.modules() if isinstance(part, nn.Linear | nn.Conv2d)][-1]
        last.weight *= 3
    network.eval()
