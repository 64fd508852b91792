"""The classifier: a ShuffleNet V2 of half width with one class for each of the eight shapes.

It is trained on pictures of the world and on freer ones. At the end its scores are calibrated: the last layer
is divided by the temperature at which they fit the answers on new pictures.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import shufflenet_v2_x0_5

from recipes.pocket.scenes import world
from recipes.pocket.scenes.augment import degrade, desaturate, enlarge
from recipes.pocket.scenes.free import sample_free
from recipes.pocket.scenes.samples import Sampler, to_tensor
from recipes.pocket.training import process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.export import save_torchvision
from recipes.pocket.training.initial_weights import load_initial_weights
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

INPUT_SIDE = 96
_BATCH = 48
_NEW_PER_STEP = 8
"""The number of new pictures of each of both sources in a step. The others of a batch were drawn earlier."""
_KEPT = 20_000
_NUM_CALIBRATED = 4_000
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


def draw(count: int, seed: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw `count` pictures of the world and `count` free ones.

    Returns:
        The pictures, `[n, 3, 64, 64]`, 0 to 255, and the wanted probabilities of the shapes, `[n, 8]`.
    """
    rng = np.random.default_rng(seed)
    batch = Sampler(int(rng.integers(2**31)), share_of_two=0.0, varied_share=0.75).batch(count)
    free = [sample_free(rng) for _ in range(count)]
    pictures = torch.cat([batch.pictures, to_tensor(np.stack([one.pixels for one in free]))])
    shares = torch.from_numpy(np.stack([one.shares for one in free]))
    known = functional.one_hot(batch.labels[:, 6] - 1, len(world.SHAPES)).float()
    return ((pictures + 1.0) * 127.5).round().byte(), torch.cat([known, shares])


def _inputs(pictures: torch.Tensor) -> torch.Tensor:
    scaled = pictures.to(device()).float() / 127.5 - 1.0
    flipped = torch.where(
        torch.rand(len(scaled), 1, 1, 1, device=scaled.device) < 0.5, scaled.flip(3), scaled
    )
    return enlarge(degrade(desaturate(flipped)), INPUT_SIDE).contiguous(memory_format=torch.channels_last)


def train(out: Path, budget: TimeBudget) -> bool:
    """Train and calibrate the classifier and save it to `out / "pocket-classifier"`."""
    model = build()
    rate = 1e-3 if load_initial_weights(model, out, "pocket-classifier") else 2e-3
    model = on_device(model)
    loop = Loop({"model": model}, Plan(budget, rate, average=0.998, hold=0.3), out / "classifier")
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        kept.extend(zip(*draw(_NEW_PER_STEP, (71, loop.step, process_group.rank())), strict=True))
        del kept[:-_KEPT]
        rows = torch.randint(len(kept), (_BATCH,)).tolist()
        pictures, shares = (
            torch.stack(column).to(device()) for column in zip(*(kept[i] for i in rows), strict=True)
        )
        inputs = _inputs(pictures)
        with bfloat16_autocast():
            logits = model(inputs).float()
        accuracy = (logits.argmax(1) == shares.argmax(1))[shares.amax(1) == 1.0].float().mean().item()
        return functional.cross_entropy(logits, shares), _BATCH, {"right": accuracy}

    finished = loop.run(loss)
    if process_group.rank() == 0:
        average = on_device(build())
        average.load_state_dict(loop.averages["model"])
        print(f"temperature {calibrate(average):.3f}", flush=True)
        save_torchvision(average, CONFIG, out / "pocket-classifier")
    return finished


@torch.no_grad()
def calibrate(model: nn.Module) -> float:
    """Divide the last layer by the temperature with the lowest cross-entropy on new pictures. Return it."""
    model.eval()
    logits, shares = [], []
    for seed in range(_NUM_CALIBRATED // 200):
        pictures, wanted = draw(100, (72, seed))
        logits.append(model(_inputs(pictures)).float())
        shares.append(wanted.to(device()))
    scores, wanted = torch.cat(logits), torch.cat(shares)
    temperatures = torch.linspace(0.5, 4.0, 141).tolist()
    errors = [functional.cross_entropy(scores / t, wanted).item() for t in temperatures]
    best: float = temperatures[int(np.argmin(errors))]
    for parameter in model.get_submodule("fc").parameters():
        parameter.div_(best)
    return best
