"""Training samples as tensors: pictures, masks and attribute labels of drawn scenes."""

from dataclasses import dataclass

import numpy as np
import torch

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import Description, canonical, sample_training
from recipes.pocket.scenes.staging import NARROW, WIDE, Ranges, stage

ATTRIBUTES = {
    "count": 2,
    "background": len(world.BACKGROUNDS) + 1,
    "size": len(world.SIZES) + 1,
    "position": len(world.POSITIONS) + 1,
    "axis": 3,
    "colour_1": len(world.COLOURS) + 1,
    "shape_1": len(world.SHAPES) + 1,
    "colour_2": len(world.COLOURS) + 1,
    "shape_2": len(world.SHAPES) + 1,
}
"""The number of classes of each attribute. Class 0 means "not named" or "no such object"."""


@dataclass(frozen=True)
class SampleBatch:
    """A batch of drawn scenes.

    Args:
        pictures: `[n, 3, canvas, canvas]`, -1 to 1.
        full: The full canonical description of each picture.
        prompts: The partial description of each training prompt.
        labels: `[n, 9]` classes of the full descriptions, in the order of `ATTRIBUTES`.
        masks: `[n, canvas, canvas]` classes; empty if masks are not drawn.
    """

    pictures: torch.Tensor
    full: list[Description]
    prompts: list[Description]
    labels: torch.Tensor
    masks: torch.Tensor


def _class(names: tuple[str, ...], name: str | None) -> int:
    return names.index(name) + 1 if name else 0


def attribute_labels(description: Description) -> list[int]:
    """Return the classes of the attributes of a description, starting with its left or upper object.

    Both descriptions of one scene have the same labels, so predicting them requires resolving the relation.
    """
    d = canonical(description)
    (colour_1, shape_1), (colour_2, shape_2) = (*d.pairs, (None, None))[:2]
    colours = tuple(world.COLOURS)
    return [
        len(d.pairs) - 1,
        _class(tuple(world.BACKGROUNDS), d.background),
        _class(world.SIZES, d.size),
        _class(world.POSITIONS, d.position),
        {None: 0, "left of": 1, "above": 2}[d.relation],
        _class(colours, colour_1),
        _class(world.SHAPES, shape_1),
        _class(colours, colour_2),
        _class(world.SHAPES, shape_2),
    ]


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """Convert RGB `[n, h, w, 3]`, 0 to 255, to `[n, 3, h, w]`, -1 to 1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def to_pixels(pictures: torch.Tensor) -> np.ndarray:
    """Convert pictures `[n, 3, h, w]`, -1 to 1, to RGB `[n, h, w, 3]`, 0 to 255."""
    whole = ((pictures.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round().byte()
    pixels: np.ndarray = whole.permute(0, 2, 3, 1).cpu().numpy()
    return pixels


class Sampler:
    """Draws batches of random training scenes.

    Args:
        seed: The seed of the random numbers.
        share_of_two: The probability of a picture with two objects, 0 to 1.
        varied_share: The probability of a picture from the wide ranges with colour changes, noise and soft
            edges, 0 to 1.
        canvas: The side of a picture, in pixels.
        masks: Whether to draw class masks.
        keep: The probability that a prompt keeps an optional attribute, 0 to 1.
    """

    def __init__(
        self,
        seed: int,
        share_of_two: float = 0.5,
        varied_share: float = 0.0,
        canvas: int = 64,
        masks: bool = False,
        keep: float = 0.75,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._share_of_two = share_of_two
        self._varied_share = varied_share
        self._canvas = canvas
        self._masks = masks
        self._keep = keep

    def batch(self, size: int) -> SampleBatch:
        """Draw `size` new scenes."""
        described, pictures, masks = [], [], []
        for _ in range(size):
            num_objects = 2 if self._rng.random() < self._share_of_two else 1
            full, prompt = sample_training(num_objects, self._rng, self._keep)
            scene, picture = self._draw(full)
            described.append((canonical(full), prompt))
            pictures.append(picture)
            if self._masks:
                masks.append(world.draw_mask(scene, self._canvas))
        return SampleBatch(
            to_tensor(np.stack(pictures)),
            [full for full, _ in described],
            [prompt for _, prompt in described],
            torch.tensor([attribute_labels(full) for full, _ in described]),
            torch.from_numpy(np.stack(masks)).long() if masks else torch.empty(0),
        )

    def _draw(self, full: Description) -> tuple[world.Scene, world.Pixels]:
        is_varied = self._rng.random() < self._varied_share
        ranges: Ranges = WIDE if is_varied else NARROW
        scene = stage(full, ranges, self._rng)
        variation = world.VARIED if is_varied else world.EXACT
        return scene, world.draw(scene, self._canvas, variation, self._rng)
