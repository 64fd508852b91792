"""The segmentation network: the FCN of torchvision on one dense block at stride 4.

One block of a DenseNet keeps a quarter of the input resolution (sharp masks), while its twelve 3x3
convolutions have a receptive field of more than 100 of 128 input pixels (whole objects).
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import DenseNet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.fcn import FCN, FCNHead

from recipes.pocket.scenes import world
from recipes.pocket.scenes.augment import degrade, desaturate, enlarge
from recipes.pocket.scenes.prefetch import SampleSource
from recipes.pocket.training import process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.export import save_torchvision
from recipes.pocket.training.initial_weights import load_initial_weights
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

INPUT_SIDE = 128
_BATCH = 32
_BACKBONE: dict[str, Any] = {"growth_rate": 12, "block_config": [12], "num_init_features": 32}
_BACKBONE |= {"bn_size": 3, "num_classes": 1}
_CHANNELS = 32 + 12 * 12
CONFIG = {
    "task": "image-segmentation",
    "model": {
        "constructor": "torchvision.models.segmentation.fcn.FCN",
        "backbone": {
            "constructor": "torchvision.models.DenseNet",
            "kwargs": _BACKBONE,
            "features": "features",
            "return_layer": "norm5",
        },
        "head": {
            "constructor": "torchvision.models.segmentation.fcn.FCNHead",
            "kwargs": {"in_channels": _CHANNELS, "channels": len(world.SHAPES) + 1},
        },
    },
    "labels": ["background", *world.SHAPES],
    "preprocess": {"resize": INPUT_SIDE, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}


def build() -> nn.Module:
    """Build an untrained segmentation network, which returns `{"out": logits [n, 9, h, w]}`."""
    features = DenseNet(**_BACKBONE).features
    backbone = IntermediateLayerGetter(features, {"norm5": "out"})
    model: nn.Module = FCN(backbone, FCNHead(_CHANNELS, len(world.SHAPES) + 1))
    return model


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the segmentation network and save it to `out / "pocket-segmenter"`."""
    model = build()
    rate = 1e-3 if load_initial_weights(model, out, "pocket-segmenter") else 2e-3
    model = on_device(model)
    loop = Loop({"model": model}, Plan(budget, rate, hold=0.3), out / "segmenter")
    source = SampleSource(_BATCH, share_of_two=0.35, varied_share=0.75, masks=True)
    batches = source.batches(seed=73 + loop.step)
    weights = torch.tensor([0.5] + [1.0] * len(world.SHAPES), device=device())

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        batch = next(batches)
        masks = batch.masks.to(device())
        pictures = enlarge(degrade(desaturate(batch.pictures.to(device()))), INPUT_SIDE)
        with bfloat16_autocast():
            logits = model(pictures.contiguous(memory_format=torch.channels_last))["out"].float()
        # The masks have the resolution of the pictures, 64 pixels; the input has 128.
        logits = functional.avg_pool2d(logits, 2)
        accuracy = (logits.argmax(1) == masks)[masks > 0].float().mean().item()
        return functional.cross_entropy(logits, masks, weights), _BATCH, {"right": accuracy}

    finished = loop.run(loss)
    if process_group.rank() == 0:
        save_torchvision(model, CONFIG, out / "pocket-segmenter")
    return finished
