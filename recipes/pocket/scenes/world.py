"""The pocket world: scenes of one or two upright, plainly coloured shapes, and how they are drawn.

Lengths and places are shares of the canvas (0 to 1, x to the right, y down); a place is the middle of an
object's bounding box and a span the longer side of it.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring")
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
SIZES = ("small", "large")
POSITIONS = ("left", "right", "top", "bottom", "center")
RELATIONS = ("left of", "right of", "above", "below")

_TABLE_CELLS = 384
_TABLE_REACH = 0.75
"""The tables of outline distances cover -0.75 to 0.75 of the span around an object's place."""


@dataclass(frozen=True)
class SceneObject:
    """One shape on the canvas.

    Args:
        shape: one of `SHAPES`.
        colour: one of `COLOURS`.
        span: longer side of the bounding box, as a share of the canvas.
        x, y: middle of the bounding box, as shares of the canvas.
    """

    shape: str
    colour: str
    span: float
    x: float
    y: float


@dataclass(frozen=True)
class Scene:
    """The content of one picture: a background and one or two objects."""

    background: str
    objects: tuple[SceneObject, ...]


@dataclass(frozen=True)
class Variation:
    """The random variation of a drawn picture.

    Args:
        colour: largest change of a colour channel, in 0 to 255 steps, the same over an object.
        noise: largest standard deviation of pixel noise, in 0 to 255 steps.
        softness: largest width of an edge, in pixels, beyond the one of anti-aliasing.
    """

    colour: int = 0
    noise: float = 0.0
    softness: float = 0.0


EXACT = Variation()
VARIED = Variation(colour=12, noise=4.0, softness=1.0)


def _regular(corners: int, first_deg: float, radii: tuple[float, ...] = (1.0,)) -> Floats:
    """Corners of a polygon around the origin; `radii` are taken in turn."""
    angles = np.deg2rad(first_deg + np.arange(corners) * 360.0 / corners)
    radius = np.resize(radii, corners)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def _heart() -> Floats:
    """The usual heart curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t."""
    t = np.linspace(0.0, 2.0 * np.pi, 96, endpoint=False)
    x = 16.0 * np.sin(t) ** 3
    y = 13.0 * np.cos(t) - 5.0 * np.cos(2 * t) - 2.0 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y], axis=1)


def _cross() -> Floats:
    """A plus sign whose arms are a third of its span."""
    a, b = 0.5, 1.0 / 6.0
    quarter = [(b, -a), (b, -b), (a, -b)]
    turned = [(x, y) for x, y in quarter]
    corners: list[tuple[float, float]] = []
    for _ in range(4):
        corners += turned
        turned = [(-y, x) for x, y in turned]
    return np.array(corners)


def outline(shape: str) -> Floats:
    """Corners `[n, 2]` of a shape's ideal outline: bounding box around the origin, longer side 1.

    A circle and a ring are given by their outer circle.
    """
    corners = {
        "circle": lambda: _regular(128, 0.0),
        "ring": lambda: _regular(128, 0.0),
        "square": lambda: _regular(4, 45.0),
        "diamond": lambda: _regular(4, 0.0),
        "triangle": lambda: _regular(3, -90.0),
        "star": lambda: _regular(10, -90.0, (1.0, 0.38)),
        "heart": _heart,
        "cross": _cross,
    }[shape]()
    low, high = corners.min(axis=0), corners.max(axis=0)
    scaled: Floats = (corners - (low + high) / 2.0) / (high - low).max()
    return scaled


def polygon_distance(points: Floats, corners: Floats) -> Floats:
    """Signed distance of `points` `[n, 2]` to a closed polygon, negative inside.

    Method: I. Quilez, "2D distance functions", the polygon one.
    """
    best = np.full(len(points), np.inf)
    inside = np.zeros(len(points), dtype=bool)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge, to_point = b - a, points - a
        share = np.clip(to_point @ edge / (edge @ edge), 0.0, 1.0)
        best = np.minimum(best, ((to_point - share[:, None] * edge) ** 2).sum(axis=1))
        crosses = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
        rise = edge[1] if edge[1] else 1.0
        inside ^= crosses & (points[:, 0] < a[0] + to_point[:, 1] * edge[0] / rise)
    signed: Floats = np.where(inside, -1.0, 1.0) * np.sqrt(best)
    return signed


@cache
def _distance_tables() -> NDArray[np.float32]:
    """Signed outline distances of every shape at span 1, `[8, cells, cells]`."""
    axis = (np.arange(_TABLE_CELLS) + 0.5) / _TABLE_CELLS * 2 * _TABLE_REACH - _TABLE_REACH
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    tables = []
    radius = np.hypot(points[:, 0], points[:, 1])
    round_ones = {"circle": radius - 0.5, "ring": np.maximum(radius - 0.5, 0.25 - radius)}
    for shape in SHAPES:
        if (distance := round_ones.get(shape)) is None:
            distance = polygon_distance(points, outline(shape))
        tables.append(distance.reshape(_TABLE_CELLS, _TABLE_CELLS))
    return np.stack(tables).astype(np.float32)


def _cells(place: float, span: float, canvas: int) -> NDArray[np.int64]:
    pixels = ((np.arange(canvas) + 0.5) / canvas - place) / span
    scaled = (pixels + _TABLE_REACH) / (2 * _TABLE_REACH) * _TABLE_CELLS
    return np.clip(scaled.astype(np.int64), 0, _TABLE_CELLS - 1)


def coverage(item: SceneObject, canvas: int, softness: float = 0.0) -> NDArray[np.float32]:
    """Share of each pixel that an object covers, `[canvas, canvas]`, 0 to 1, edges one pixel wide."""
    rows, columns = _cells(item.y, item.span, canvas), _cells(item.x, item.span, canvas)
    table = _distance_tables()[SHAPES.index(item.shape)]
    pixels = table[rows[:, None], columns[None, :]] * np.float32(item.span * canvas)
    share: NDArray[np.float32] = np.clip(0.5 - pixels / np.float32(1.0 + softness), 0.0, 1.0)
    return share


def _tint(rgb: tuple[int, int, int], variation: Variation, rng: np.random.Generator) -> NDArray[np.float32]:
    change = rng.uniform(-variation.colour, variation.colour, 3) if variation.colour else 0.0
    return (np.array(rgb) + change).astype(np.float32)


def draw(
    scene: Scene,
    canvas: int = 64,
    variation: Variation = EXACT,
    rng: np.random.Generator | None = None,
) -> Pixels:
    """Draws a scene as RGB `[canvas, canvas, 3]`, 0 to 255, anti-aliased."""
    rng = rng or np.random.default_rng(0)
    picture = np.broadcast_to(_tint(BACKGROUNDS[scene.background], variation, rng), (canvas, canvas, 3))
    softness = rng.uniform(0.0, variation.softness)
    for item in scene.objects:
        share = coverage(item, canvas, softness)[..., None]
        picture = picture * (1 - share) + _tint(COLOURS[item.colour], variation, rng) * share
    if variation.noise:
        spread = np.float32(rng.uniform(0.0, variation.noise))
        picture = picture + spread * rng.standard_normal(picture.shape, dtype=np.float32)
    drawn: Pixels = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return drawn


def draw_mask(scene: Scene, canvas: int = 64) -> Pixels:
    """Class of each pixel, `[canvas, canvas]`: 0 background, else 1 + index in `SHAPES`."""
    mask = np.zeros((canvas, canvas), dtype=np.uint8)
    for item in scene.objects:
        mask[coverage(item, canvas) >= 0.5] = 1 + SHAPES.index(item.shape)
    return mask
