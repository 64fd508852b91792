"""Estimators of depth and pose, of their real classes in tiny, seeded configurations."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
    GLPNConfig,
    GLPNForDepthEstimation,
    GLPNImageProcessor,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
    VitPoseImageProcessor,
)

NUM_KEYPOINTS = 17
_LOUDER = 5.0


def save_depth_anything(folder: Path, kind: str = "relative") -> Path:
    """A `DepthAnythingForDepthEstimation` of pictures of 56 x 56, relative or metric."""
    torch.manual_seed(0)
    backbone = Dinov2Config(
        image_size=56,
        patch_size=14,
        num_hidden_layers=4,
        hidden_size=32,
        num_attention_heads=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    _louder(DepthAnythingForDepthEstimation(config)).save_pretrained(folder)
    DPTImageProcessor(size={"height": 56, "width": 56}).save_pretrained(folder)
    return folder


def save_dpt(folder: Path) -> Path:
    """A `DPTForDepthEstimation` of pictures of 32 x 32."""
    torch.manual_seed(0)
    config = DPTConfig(
        image_size=32,
        patch_size=16,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
    )
    _louder(DPTForDepthEstimation(config)).save_pretrained(folder)
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_glpn(folder: Path) -> Path:
    """A `GLPNForDepthEstimation`, whose pictures have sides that are multiples of 32."""
    torch.manual_seed(0)
    config = GLPNConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
    )
    _louder(GLPNForDepthEstimation(config)).save_pretrained(folder)
    GLPNImageProcessor().save_pretrained(folder)
    return folder


def save_vitpose(folder: Path) -> Path:
    """A `VitPoseForPoseEstimation` of COCO's 17 points in crops of 32 x 32. Some of its points are sure."""
    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(
        image_size=[32, 32],
        patch_size=[8, 8],
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    config = VitPoseConfig(backbone_config=backbone, num_labels=NUM_KEYPOINTS)
    _louder(VitPoseForPoseEstimation(config)).save_pretrained(folder)
    VitPoseImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def _louder(network: Any) -> Any:
    """Return a network with larger weights: untrained, the signal fades and all pixels look alike."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight *= _LOUDER
    return network
