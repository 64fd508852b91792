"""A second program that draws scenes of the pocket world. No training uses it.

It shares no drawing code with `recipes.pocket`: outlines are polygons of Pillow, filled on a larger canvas
and reduced, or filled without anti-aliasing. Colours, places and spans are those of the world's description,
and there may be light noise.
"""

from dataclasses import dataclass
from math import cos, pi, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from tests.pixel_judge import BACKGROUNDS, COLOURS, MIN_OVERLAP

SHAPES = tuple(MIN_OVERLAP)
EDGES = ("hard", "box", "lanczos", "blurred")
_LARGER = 8

Point = tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """A drawn object.

    Args:
        shape: One of `SHAPES`.
        colour: One of `COLOURS`.
        background: One of `BACKGROUNDS`.
        span: The longer side of the bounding box, as a share of the canvas.
        x: The middle of the bounding box from the left, as a share of the canvas.
        y: The middle of the bounding box from the top, as a share of the canvas.
        edge: How edges are drawn, one of `EDGES`.
        noise: The standard deviation of the noise, in 0 to 255 steps.
        seed: The seed of the noise.
    """

    shape: str
    colour: str
    background: str
    span: float
    x: float
    y: float
    edge: str = "box"
    noise: float = 0.0
    seed: int = 0


def random_drawing(rng: np.random.Generator) -> Drawing:
    """Return a random object, anywhere on the canvas, of a size that the world allows."""
    span = float(rng.choice([rng.uniform(0.22, 0.32), rng.uniform(0.33, 0.49), rng.uniform(0.5, 0.65)]))
    x, y = rng.uniform(span / 2 + 0.02, 1 - span / 2 - 0.02, 2)
    return Drawing(
        str(rng.choice(SHAPES)),
        str(rng.choice(list(COLOURS))),
        str(rng.choice(list(BACKGROUNDS))),
        span,
        float(x),
        float(y),
        str(rng.choice(EDGES)),
        float(rng.uniform(0, 6)) if rng.random() < 0.7 else 0.0,
        int(rng.integers(2**31)),
    )


def render(drawing: Drawing, side: int = 64) -> Image.Image:
    """Draw an object on a canvas of `side` pixels."""
    scale = 1 if drawing.edge == "hard" else _LARGER
    large = Image.new("RGB", (side * scale, side * scale), BACKGROUNDS[drawing.background])
    pen = ImageDraw.Draw(large)
    middle = drawing.x * large.width, drawing.y * large.width
    length = drawing.span * large.width
    fill, ground = COLOURS[drawing.colour], BACKGROUNDS[drawing.background]
    if drawing.shape in ("circle", "ring"):
        pen.ellipse(_square(middle, length), fill=fill)
        if drawing.shape == "ring":
            pen.ellipse(_square(middle, length / 2), fill=ground)
    else:
        pen.polygon(_placed(_outline(drawing.shape), middle, length), fill=fill)
    filter_ = Image.Resampling.LANCZOS if drawing.edge == "lanczos" else Image.Resampling.BOX
    small = large.resize((side, side), filter_)
    if drawing.edge == "blurred":
        small = small.filter(ImageFilter.GaussianBlur(0.7))
    if not drawing.noise:
        return small
    noise = np.random.default_rng(drawing.seed).normal(0, drawing.noise, (side, side, 3))
    pixels: NDArray[np.uint8] = np.clip(np.asarray(small) + noise, 0, 255).round().astype(np.uint8)
    return Image.fromarray(pixels)


def _square(middle: Point, length: float) -> tuple[float, float, float, float]:
    x, y = middle
    return x - length / 2, y - length / 2, x + length / 2 - 1, y + length / 2 - 1


def _placed(points: list[Point], middle: Point, length: float) -> list[Point]:
    """Scale points so that the longer side of their bounding box is `length`, around `middle`."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    factor = length / max(max(xs) - min(xs), max(ys) - min(ys))
    x0, y0 = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    return [(middle[0] + (x - x0) * factor, middle[1] + (y - y0) * factor) for x, y in points]


def _outline(shape: str) -> list[Point]:
    if shape == "square":
        return [(0, 0), (1, 0), (1, 1), (0, 1)]
    if shape == "diamond":
        return [(0, -1), (1, 0), (0, 1), (-1, 0)]
    if shape == "triangle":
        return [(0, -1), (cos(radians(30)), 0.5), (-cos(radians(30)), 0.5)]
    if shape == "cross":
        return [
            *((1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (2, 2)),
            *((2, 3), (1, 3), (1, 2), (0, 2), (0, 1), (1, 1)),
        ]
    if shape == "star":
        corners = [(1.0 if i % 2 == 0 else 0.38, radians(36 * i - 90)) for i in range(10)]
        return [(radius * cos(angle), radius * sin(angle)) for radius, angle in corners]
    turns = [2 * pi * i / 200 for i in range(200)]
    return [(16 * sin(t) ** 3, -(13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t))) for t in turns]
