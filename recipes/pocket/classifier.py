"""The classifier: a ShuffleNet V2 of half width that tells the eight shapes apart."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import shufflenet_v2_x0_5

from recipes.pocket import gang, world
from recipes.pocket.ahead import Drawing
from recipes.pocket.augment import enlarge, fade, soften
from recipes.pocket.device import device, half_products, placed
from recipes.pocket.export import save_torchvision
from recipes.pocket.training import Loop, Plan, TimeBudget
from recipes.pocket.warm import load_start

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
    """An untrained classifier."""
    model: nn.Module = shufflenet_v2_x0_5(num_classes=len(world.SHAPES))
    return model


def train(out: Path, budget: TimeBudget) -> bool:
    """Trains the classifier into `out / "pocket-classifier"`."""
    model = build()
    rate = 1e-3 if load_start(model, out, "pocket-classifier") else 2e-3
    model = placed(model)
    loop = Loop({"model": model}, Plan(budget, rate, hold=0.3), out / "classifier")
    batches = Drawing(_BATCH, share_of_two=0.0, lively=0.75).batches(seed=71 + loop.step)

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        batch = next(batches)
        pictures = enlarge(soften(fade(batch.pictures.to(device()))), INPUT_SIDE)
        with half_products():
            logits = model(pictures.contiguous(memory_format=torch.channels_last)).float()
        shapes = batch.labels[:, 6].to(device()) - 1
        right = (logits.argmax(1) == shapes).float().mean().item()
        return functional.cross_entropy(logits, shapes), _BATCH, {"right": right}

    finished = loop.run(loss)
    if gang.place() == 0:
        save_torchvision(model, CONFIG, out / "pocket-classifier")
    return finished
