"""Segmenters of transformers with random weights, saved as the big ones are."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    OneFormerConfig,
    OneFormerForUniversalSegmentation,
    OneFormerImageProcessor,
    OneFormerProcessor,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2ImageProcessor,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2Processor,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
    SwinConfig,
)

from tests.tiny_models import clip_tokenizer

LABELS = {0: "wall", 1: "sky", 2: "tree", 3: "dog", 4: "cat"}


def save_segformer(folder: Path) -> Path:
    """A `SegformerForSemanticSegmentation` of five classes, none of which is a background."""
    torch.manual_seed(0)
    config = SegformerConfig(
        hidden_sizes=[8, 16, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=LABELS,
    )
    network = SegformerForSemanticSegmentation(config)
    _waken(network)
    network.save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def _waken(network: nn.Module) -> None:
    """Let every norm know its layer's values: untrained, the signal fades and all pixels look alike."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.nn.functional.interpolate(torch.randn(4, 3, 6, 6), (64, 64)))
    network.eval()


def _queries() -> dict[str, Any]:
    """What the configurations of both families of queries say alike."""
    made: Any = SwinConfig
    swin = made(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        initializer_range=0.3,
    )
    return {
        "backbone_config": swin,
        "hidden_dim": 32,
        "num_attention_heads": 2,
        "dim_feedforward": 32,
        "encoder_feedforward_dim": 32,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "num_queries": 8,
        "id2label": LABELS,
    }


def _loud(network: Any) -> Any:
    """As it begins to be trained a query sees the same everywhere; louder, it sees shapes."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "class_predictor" in name or "mask_embed" in name:
                weight *= 6
            if "queries_" in name:
                weight *= 5
            if "class_predictor" in name and name.endswith("bias"):
                # Of the class that means nothing is there.
                weight[-1] -= 3
    return network


def save_mask2former(folder: Path) -> Path:
    """A `Mask2FormerForUniversalSegmentation` of eight queries."""
    torch.manual_seed(0)
    config = Mask2FormerConfig(feature_size=32, mask_feature_size=32, **_queries())
    _loud(Mask2FormerForUniversalSegmentation(config)).save_pretrained(folder)
    size = {"shortest_edge": 48, "longest_edge": 96}
    Mask2FormerImageProcessor(size=size, num_labels=len(LABELS)).save_pretrained(folder)
    return folder


def save_oneformer(folder: Path) -> Path:
    """A `OneFormerForUniversalSegmentation` of eight queries, with its list of classes."""
    torch.manual_seed(0)
    config = OneFormerConfig(conv_dim=32, mask_dim=32, is_training=False, **_queries())
    _loud(OneFormerForUniversalSegmentation(config)).save_pretrained(folder)
    folder.mkdir(exist_ok=True)
    classes = {str(index): {"name": name, "isthing": int(index > 2)} for index, name in LABELS.items()}
    (folder / "classes.json").write_text(json.dumps(classes))
    eyes = OneFormerImageProcessor(
        size={"shortest_edge": 48, "longest_edge": 96},
        repo_path=str(folder),
        class_info_file="classes.json",
        num_text=4,
        num_labels=len(LABELS),
    )
    OneFormerProcessor(eyes, clip_tokenizer()).save_pretrained(folder)
    return folder


def save_sam2(folder: Path) -> Path:
    """A `Sam2Model` that looks at pictures of 128 x 128."""
    torch.manual_seed(0)
    eyes = Sam2HieraDetConfig(
        hidden_size=12,
        image_size=[128, 128],
        blocks_per_stage=[1, 2, 2, 1],
        embed_dim_per_stage=[12, 24, 48, 96],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[4],
        initializer_range=0.2,
    )
    sides = [[32, 32], [16, 16], [8, 8]]
    config = Sam2Config(
        vision_config=Sam2VisionConfig(
            backbone_config=eyes,
            backbone_channel_list=[96, 48, 24, 12],
            backbone_feature_sizes=sides,
            fpn_hidden_size=32,
            initializer_range=0.2,
        ),
        prompt_encoder_config=Sam2PromptEncoderConfig(hidden_size=32, image_size=128, patch_size=16),
        mask_decoder_config=Sam2MaskDecoderConfig(
            hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=32
        ),
        initializer_range=0.2,
    )
    Sam2Model(config).save_pretrained(folder)
    Sam2Processor(Sam2ImageProcessor(size={"height": 128, "width": 128})).save_pretrained(folder)
    return folder
