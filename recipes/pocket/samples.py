"""Training samples as tensors: pictures, masks and attribute labels of drawn scenes."""

from dataclasses import dataclass

import numpy as np
import torch

from recipes.pocket import world
from recipes.pocket.grammar import Description, canonical, sample_training
from recipes.pocket.staging import NARROW, WIDE, Ranges, stage

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
"""Number of classes of each attribute; class 0 means "not named" or "not there"."""


@dataclass(frozen=True)
class SampleBatch:
    """Drawn scenes.

    Args:
        pictures: `[n, 3, canvas, canvas]`, -1 to 1.
        full: what each picture shows, every attribute named, canonical telling.
        prompts: what its training prompt says.
        labels: `[n, 9]` classes of the full description, in the order of `ATTRIBUTES`.
        masks: `[n, canvas, canvas]` classes, or empty where not asked for.
    """

    pictures: torch.Tensor
    full: list[Description]
    prompts: list[Description]
    labels: torch.Tensor
    masks: torch.Tensor


def _class(names: tuple[str, ...], name: str | None) -> int:
    return names.index(name) + 1 if name else 0


def attribute_labels(description: Description) -> list[int]:
    """Classes of a description's attributes, told from its left or upper object.

    So the two tellings of one scene have the same labels: whoever predicts them has resolved the relation.
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
    """RGB `[n, h, w, 3]`, 0 to 255, as `[n, 3, h, w]`, -1 to 1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def to_pixels(pictures: torch.Tensor) -> np.ndarray:
    """Pictures `[n, 3, h, w]`, -1 to 1, as RGB `[n, h, w, 3]`, 0 to 255."""
    whole = ((pictures.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round().byte()
    pixels: np.ndarray = whole.permute(0, 2, 3, 1).cpu().numpy()
    return pixels


class Sampler:
    """Draws batches of training scenes without end.

    Args:
        seed: of the random numbers.
        share_of_two: probability of a picture of two objects.
        lively: probability of a picture from the wide ranges, with colour changes, noise and soft edges.
        canvas: side of a picture, in pixels.
        masks: whether to draw class masks too.
    """

    def __init__(
        self,
        seed: int,
        share_of_two: float = 0.5,
        lively: float = 0.0,
        canvas: int = 64,
        masks: bool = False,
        keep: float = 0.75,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._share_of_two = share_of_two
        self._lively = lively
        self._canvas = canvas
        self._masks = masks
        self._keep = keep

    def batch(self, size: int) -> SampleBatch:
        """`size` fresh scenes."""
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
        lively = self._rng.random() < self._lively
        ranges: Ranges = WIDE if lively else NARROW
        scene = stage(full, ranges, self._rng)
        variation = world.LIVELY if lively else world.EXACT
        return scene, world.draw(scene, self._canvas, variation, self._rng)
