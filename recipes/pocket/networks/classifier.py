"""The classifier: a ShuffleNet V2 of half width with one class for each of the eight shapes."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import shufflenet_v2_x0_5

from recipes.pocket.scenes import world
from recipes.pocket.scenes.augment import degrade, desaturate, enlarge
from recipes.pocket.scenes.prefetch import SampleSource
from recipes.pocket.training import process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.export import save_torchvision
from recipes.pocket.training.initial_weights import load_initial_weights
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

INPUT_SIDE = 96
_BATCH = 48
CONFIG = {
    "task": "image-classification",
    "model": {
        "constructor": "torchvision.models.shufflenet_v2_x0_5",
        "kwargs": {"num_classes": len(world.SHAPES)},
    },
    "labels": list(world.SHAPES),
    "preprocess": {"resize": INPUT_SIDE, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}


def build() -> nn.Module:
    """Build an untrained classifier."""
    model: nn.Module = shufflenet_v2_x0_5(num_classes=len(world.SHAPES))
    return model


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the classifier and save it to `out / "pocket-classifier"`."""
    model = build()
    rate = 1e-3 if load_initial_weights(model, out, "pocket-classifier") else 2e-3
    model = on_device(model)
    loop = Loop({"model": model}, Plan(budget, rate, hold=0.3), out / "classifier")
    batches = SampleSource(_BATCH, share_of_two=0.0, varied_share=0.75).batches(seed=71 + loop.step)

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        batch = next(batches)
        pictures = enlarge(degrade(desaturate(batch.pictures.to(device()))), INPUT_SIDE)
        with bfloat16_autocast():
            logits = model(pictures.contiguous(memory_format=torch.channels_last)).float()
        shapes = batch.labels[:, 6].to(device()) - 1
        accuracy = (logits.argmax(1) == shapes).float().mean().item()
        return functional.cross_entropy(logits, shapes), _BATCH, {"right": accuracy}

    finished = loop.run(loss)
    if process_group.rank() == 0:
        save_torchvision(model, CONFIG, out / "pocket-classifier")
    return finished
