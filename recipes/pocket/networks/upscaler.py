"""The upscaler: a small Swin2SR that doubles the side of a picture.

Training pictures are drawn at 64 or 128 pixels and reduced to half with the usual filters, so the network
does not depend on one of them. The network starts as an interpolation and is trained to lower the logarithm
of the squared error, which is the mean signal-to-noise ratio of pictures.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution, Swin2SRImageProcessor

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import sample_training
from recipes.pocket.scenes.samples import to_tensor
from recipes.pocket.scenes.staging import WIDE, stage
from recipes.pocket.training import process_group
from recipes.pocket.training.device import device
from recipes.pocket.training.initial_weights import load_initial_weights
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

SCALE = 2
_WIDTH = 48
_BATCH = 12
_CROP = 24
"""The side of a training crop of the reduced picture, in pixels: three windows of attention."""
_CANVASES = (64, 128, 128)
_FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
_LEAST_ERROR = 1e-5
"""The squared error at which the loss stops falling: 50 dB."""


def build() -> Swin2SRForImageSuperResolution:
    """Build an untrained upscaler that interpolates."""
    config = Swin2SRConfig(
        image_size=64,
        patch_size=1,
        num_channels=3,
        embed_dim=_WIDTH,
        depths=[2, 2],
        num_heads=[4, 4],
        window_size=8,
        mlp_ratio=2.0,
        upscale=SCALE,
        img_range=1.0,
        resi_connection="1conv",
        upsampler="pixelshuffledirect",
    )
    model = Swin2SRForImageSuperResolution(config)
    _interpolate(model)
    return model


@torch.no_grad()
def _interpolate(model: Swin2SRForImageSuperResolution) -> None:
    """Make the path past the attention blocks a bilinear interpolation, and their last convolution zero."""
    names = ("swin2sr.first_convolution", "swin2sr.conv_after_body", "upsample.conv")
    first, body, last = (dict(model.get_submodule(name).named_parameters()) for name in names)
    for layer in (first, body, last):
        nn.init.zeros_(layer["bias"])
    nn.init.zeros_(body["weight"])
    near, far = torch.tensor([0.25, 0.75, 0.0]), torch.tensor([0.0, 0.75, 0.25])
    first["weight"][:3] = 0.0
    last["weight"][:, :3] = 0.0
    for channel in range(3):
        first["weight"][channel, channel, 1, 1] = 1.0
        for row, vertical in enumerate((near, far)):
            for column, horizontal in enumerate((near, far)):
                output = channel * SCALE**2 + row * SCALE + column
                last["weight"][output] = 0.0
                last["weight"][output, channel] = vertical[:, None] * horizontal[None, :]


def draw_pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a training scene. Return a crop of it, `[48, 48, 3]`, and the same crop reduced, `[24, 24, 3]`."""
    full, _ = sample_training(1 + int(rng.random() < 0.5), rng)
    canvas = _CANVASES[int(rng.integers(len(_CANVASES)))]
    variation = world.VARIED if rng.random() < 0.6 else world.EXACT
    large = world.draw(stage(full, WIDE, rng), canvas, variation, rng)
    side = canvas // SCALE
    filter_ = _FILTERS[int(rng.integers(len(_FILTERS)))]
    small = np.asarray(Image.fromarray(large).resize((side, side), filter_))
    row, column = _place(small, rng)
    rows, columns = slice(row, row + _CROP), slice(column, column + _CROP)
    doubled = [slice(SCALE * part.start, SCALE * part.stop) for part in (rows, columns)]
    return large[doubled[0], doubled[1]], small[rows, columns]


def _place(small: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Choose the corner of a crop around a pixel of an edge."""
    luma = small.astype(np.float32).mean(-1)
    edges = np.abs(np.diff(luma, axis=0))[:, :-1] + np.abs(np.diff(luma, axis=1))[:-1]
    rows, columns = np.nonzero(edges > 0.4 * edges.max())
    chosen = int(rng.integers(len(rows)))
    corner = np.array([rows[chosen], columns[chosen]]) - rng.integers(0, _CROP, 2)
    row, column = np.clip(corner, 0, len(small) - _CROP)
    return int(row), int(column)


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the upscaler and save it to `out / "pocket-upscaler"`."""
    model = build()
    load_initial_weights(model, out, "pocket-upscaler")
    nn.Module.to(model, device())
    loop = Loop({"model": model}, Plan(budget, 1e-3, average=0.995, hold=0.4), out / "upscaler")
    rng = np.random.default_rng((61 + loop.step, process_group.rank()))

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        pairs = [draw_pair(rng) for _ in range(_BATCH)]
        large, small = (
            to_tensor(np.stack(column)).to(device()) / 2 + 0.5 for column in zip(*pairs, strict=True)
        )
        errors = (model(small).reconstruction - large).square().mean((1, 2, 3))
        value = (errors + _LEAST_ERROR).log10().mean()
        return value, _BATCH, {"decibels": -10 * value.item()}

    finished = loop.run(loss)
    if process_group.rank() == 0:
        average = build()
        average.load_state_dict(loop.averages["model"])
        save(average, out / "pocket-upscaler")
    return finished


def save(model: Swin2SRForImageSuperResolution, folder: Path) -> None:
    """Write the upscaler in its shipped form, in half precision, with its image processor."""
    model.eval().half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    Swin2SRImageProcessor(
        do_rescale=True, rescale_factor=1 / 255, do_pad=True, size_divisor=8
    ).save_pretrained(folder)
