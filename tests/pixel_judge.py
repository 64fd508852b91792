"""Judges pictures of the pocket world by their pixels alone: no learned model, none of the drawing code.

The rules are those of the world's description: a colour by its nearest name, a shape by its overlap with
the ideal outline, sizes and places with the stated tolerances.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from math import cos, pi, radians, sin
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.float64]

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 170, 70),
    "blue": (50, 90, 220),
    "yellow": (240, 210, 50),
    "orange": (240, 140, 40),
    "purple": (150, 70, 190),
    "cyan": (60, 200, 210),
    "pink": (240, 130, 180),
}
BACKGROUNDS = {
    "white": (245, 245, 245),
    "black": (15, 15, 15),
    "gray": (128, 128, 128),
    "beige": (225, 205, 170),
}
MIN_OVERLAP = {
    "circle": 0.92,
    "square": 0.90,
    "triangle": 0.86,
    "star": 0.80,
    "heart": 0.88,
    "diamond": 0.88,
    "cross": 0.84,
    "ring": 0.82,
}
"""Least overlap (intersection over union) with the ideal outline, by shape."""

_AXES = {
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "bottom": (0, 1),
    "left of": (-1, 0),
    "right of": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}
_MIN_CONTRAST = 36.0
"""Distance in RGB from the background from which a pixel is looked at as an object's."""
_MIN_AREA = 0.004
"""Share of the canvas from which a patch counts as an object."""
_FINE = 4
_MOVES = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


class Expected(Protocol):
    """What a picture should show; None where a prompt leaves an attribute free."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def background(self) -> str | None: ...
    @property
    def size(self) -> str | None: ...
    @property
    def position(self) -> str | None: ...
    @property
    def relation(self) -> str | None: ...


@dataclass(frozen=True)
class Found:
    """One object found: its mean colour and a soft mask of it, 0 to 1; places are shares of the canvas."""

    rgb: Array
    mask: Array
    span: float
    x: float
    y: float

    @property
    def colour(self) -> str:
        """The name of its colour."""
        return nearest(self.rgb, COLOURS)

    @property
    def place(self) -> tuple[float, float, float]:
        """Span, x and y as measured by its bounding box."""
        return self.span, self.x, self.y


def nearest(rgb: Array, names: dict[str, tuple[int, int, int]]) -> str:
    """The name whose colour is nearest in RGB."""
    return min(names, key=lambda name: float(np.linalg.norm(rgb - np.array(names[name]))))


def judge(picture: Image.Image | NDArray[np.uint8], expected: Expected) -> dict[str, bool]:
    """Which of the expected attributes a picture shows.

    Args:
        picture: RGB, square.
        expected: what it should show.

    Returns:
        "count", "colour" and "shape" always; "background", "size", "position" and "relation" where
        expected; of two objects, "colour" and "shape" are right if both are.
    """
    pixels = np.asarray(picture, dtype=np.float64)[..., :3]
    ground = background_rgb(pixels)
    found = find_objects(pixels, ground)
    verdict = {"count": len(found) == len(expected.pairs)}
    if expected.background:
        verdict["background"] = nearest(ground, COLOURS | BACKGROUNDS) == expected.background
    if len(found) < len(expected.pairs):
        named = {"size": expected.size, "position": expected.position}
        missing = [name for name, word in named.items() if word]
        missing += ["relation"] if expected.relation else []
        return verdict | dict.fromkeys(["colour", "shape", *missing], False)
    return verdict | _judge_objects(found[: len(expected.pairs)], expected)


def all_right(verdict: dict[str, bool]) -> bool:
    """True if nothing that was expected is missing."""
    return all(verdict.values())


def _judge_objects(found: list[Found], expected: Expected) -> dict[str, bool]:
    verdicts = [_judge_in_order(list(order), expected) for order in permutations(found)]
    return max(verdicts, key=lambda verdict: sum(verdict.values()))


def _judge_in_order(found: list[Found], expected: Expected) -> dict[str, bool]:
    pairs = list(zip(found, expected.pairs, strict=True))
    verdict = {
        "colour": all(item.colour == colour for item, (colour, _) in pairs),
        "shape": all(has_shape(item, shape) for item, (_, shape) in pairs),
    }
    first = found[0]
    if expected.size:
        low, high = {"large": (0.45, 0.75), "small": (0.16, 0.37)}[expected.size]
        verdict["size"] = low <= first.span <= high
    if expected.position:
        verdict["position"] = is_at(first, expected.position)
    if expected.relation:
        dx, dy = first.x - found[1].x, first.y - found[1].y
        verdict["relation"] = _is_towards(dx, dy, expected.relation, 0.08)
    return verdict


def is_at(item: Found, position: str) -> bool:
    """True if an object is at a named place, with the stated tolerances."""
    dx, dy = item.x - 0.5, item.y - 0.5
    if position == "center":
        return max(abs(dx), abs(dy)) <= 0.08
    return _is_towards(dx, dy, position, 0.06)


def _is_towards(dx: float, dy: float, word: str, least: float) -> bool:
    ax, ay = _AXES[word]
    along, across = dx * ax + dy * ay, abs(dx * ay) + abs(dy * ax)
    return along >= least and along > across


def background_rgb(pixels: Array) -> Array:
    """Median colour of the outermost two pixels; objects cover less than half of them."""
    rim = [pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]]
    median: Array = np.median(np.concatenate([part.reshape(-1, 3) for part in rim]), axis=0)
    return median


def find_objects(pixels: Array, ground: Array) -> list[Found]:
    """The connected patches that differ from the background, largest first."""
    differs = np.linalg.norm(pixels - ground, axis=-1) > _MIN_CONTRAST
    least = _MIN_AREA * differs.size
    patches = sorted(_patches(differs), key=lambda patch: -int(patch.sum()))
    return [_measure(pixels, ground, patch) for patch in patches if patch.sum() >= least]


def _patches(differs: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Four-connected patches by flooding: each starts at one pixel and grows until it stops growing."""
    left = differs.copy()
    while left.any():
        patch = np.zeros_like(left)
        patch.flat[int(left.argmax())] = True
        while not np.array_equal(grown := _grow(patch) & left, patch):
            patch = grown
        yield patch
        left &= ~patch


def _grow(patch: NDArray[np.bool_]) -> NDArray[np.bool_]:
    grown = patch.copy()
    grown[1:] |= patch[:-1]
    grown[:-1] |= patch[1:]
    grown[:, 1:] |= patch[:, :-1]
    grown[:, :-1] |= patch[:, 1:]
    return grown


def _measure(pixels: Array, ground: Array, patch: NDArray[np.bool_]) -> Found:
    """Colour from the pixels farthest from the background, mask by how far towards it a pixel goes."""
    distance = np.linalg.norm(pixels - ground, axis=-1)
    core = patch & (distance >= np.quantile(distance[patch], 0.5))
    rgb = np.median(pixels[core], axis=0)
    change = rgb - ground
    along = (pixels - ground) @ change / (change @ change)
    # Twice as steep: an outline is where a pixel is half way, and a soft edge is no wrong shape.
    share = np.clip(0.5 + 2.0 * (along - 0.5), 0.0, 1.0)
    mask = np.where(_grow(_grow(patch)), share, 0.0)
    side = mask.shape[0]
    rows, columns = np.nonzero((mask > 0.5) & patch)
    if not len(rows):
        rows, columns = np.nonzero(patch)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    x, y = (columns.min() + width / 2) / side, (rows.min() + height / 2) / side
    return Found(rgb, mask, float(max(height, width)) / side, float(x), float(y))


def has_shape(item: Found, shape: str) -> bool:
    """True if the ideal outline of `shape` overlaps enough, and better than any other shape's."""
    fitted = best_overlap(item, shape)
    if fitted < MIN_OVERLAP[shape]:
        return False
    rivals = [name for name in MIN_OVERLAP if name != shape]
    # A fit gains a few points over the measured place, so distant rivals need none.
    near = [name for name in rivals if _overlap_at(item, name, item.place) > fitted - 0.12]
    return all(best_overlap(item, name) <= fitted for name in near)


def _overlap_at(item: Found, shape: str, place: tuple[float, float, float]) -> float:
    return overlap(item.mask, ideal(shape, item.mask.shape[0], *place))


def best_overlap(item: Found, shape: str) -> float:
    """Overlap with the ideal outline, its span and place fitted around the measured ones."""
    step = 0.5 / item.mask.shape[0]
    place = item.place
    best = _overlap_at(item, shape, place)
    for _ in range(3):
        tried = [(place[0] + step * ds, place[1] + step * dx, place[2] + step * dy) for ds, dx, dy in _MOVES]
        scores = [_overlap_at(item, shape, at) for at in tried]
        if max(scores) <= best:
            break
        best, place = max(scores), tried[int(np.argmax(scores))]
    return best


def overlap(a: Array, b: Array) -> float:
    """Intersection over union of two soft masks."""
    return float(np.minimum(a, b).sum() / max(np.maximum(a, b).sum(), 1e-9))


def ideal(shape: str, side: int, span: float, x: float, y: float) -> Array:
    """Soft mask `[side, side]` of the ideal outline, drawn four times finer and averaged."""
    scale, fine = span * side * _FINE, side * _FINE
    image = Image.new("L", (fine, fine))
    pen = ImageDraw.Draw(image)
    cx, cy = x * fine - 0.5, y * fine - 0.5
    if shape in ("circle", "ring"):
        for radius, tone in ((0.5, 255), (0.25, 0))[: 2 if shape == "ring" else 1]:
            r = radius * scale
            pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=tone)
    else:
        pen.polygon([(cx + scale * u, cy + scale * v) for u, v in corners(shape)], fill=255)
    reduced = image.resize((side, side), Image.Resampling.BOX)
    return np.asarray(reduced, dtype=np.float64) / 255.0


@cache
def corners(shape: str) -> tuple[tuple[float, float], ...]:
    """The ideal outline's corners, bounding box around the origin, longer side 1."""
    third = 1.0 / 6.0
    raw: list[tuple[float, float]] = {
        "square": [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)],
        "diamond": [(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)],
        "triangle": [(0.0, -(3**0.5)), (1.0, 0.0), (-1.0, 0.0)],
        "star": [_spoke(36.0 * i, 1.0 if i % 2 == 0 else 0.38) for i in range(10)],
        "heart": [_heart_point(2 * pi * i / 60) for i in range(60)],
        "cross": [
            *((-third, -0.5), (third, -0.5), (third, -third), (0.5, -third)),
            *((0.5, third), (third, third), (third, 0.5), (-third, 0.5)),
            *((-third, third), (-0.5, third), (-0.5, -third), (-third, -third)),
        ],
    }[shape]
    xs, ys = [u for u, _ in raw], [v for _, v in raw]
    longer = max(max(xs) - min(xs), max(ys) - min(ys))
    mx, my = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return tuple(((u - mx) / longer, (v - my) / longer) for u, v in raw)


def _spoke(degrees: float, radius: float) -> tuple[float, float]:
    return radius * sin(radians(degrees)), -radius * cos(radians(degrees))


def _heart_point(t: float) -> tuple[float, float]:
    return 16 * sin(t) ** 3, -(13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t))
