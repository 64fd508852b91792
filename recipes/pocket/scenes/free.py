"""Pictures for the classifier that vary more than the pocket world: any place, span, colour and kind of edge.

The classifier also reads pictures that other programs draw. Some training pictures show no shape of the world
or two of them, so that it learns scores for pictures that it cannot name.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import NEVER_TRAINED_PAIRS
from recipes.pocket.scenes.world import SHAPES, SceneObject, coverage

CANVAS = 64
_CANVASES = (40, 48, 64, 64, 64, 96, 128)
_SOFTNESS = (-0.95, 2.0)
"""The change of the width of an edge, in pixels: from a hard edge to one of three pixels."""
_MIN_CONTRAST = 60.0
"""The least distance in RGB between an object and its background."""
_FILTERS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
_JITTER = 18
_SHARE_OF_TWO, _SHARE_OF_NONE = 0.06, 0.10

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FreePicture:
    """A picture and what a classifier should answer.

    Args:
        pixels: The picture, `[64, 64, 3]`, 0 to 255.
        shares: The wanted probability of each shape, `[8]`.
    """

    pixels: world.Pixels
    shares: Floats


def sample_free(rng: np.random.Generator) -> FreePicture:
    """Draw a picture of one shape, or, in some cases, of two different shapes or of none."""
    kind = rng.random()
    if kind < _SHARE_OF_NONE:
        return FreePicture(
            _finished(_without_shape(rng), rng), np.full(len(SHAPES), 1 / len(SHAPES), np.float32)
        )
    count = 2 if kind < _SHARE_OF_NONE + _SHARE_OF_TWO else 1
    chosen = rng.choice(len(SHAPES), count, replace=False)
    shares = np.zeros(len(SHAPES), np.float32)
    shares[chosen] = 1 / count
    return FreePicture(_finished(_with_shapes([SHAPES[i] for i in chosen], rng), rng), shares)


def _with_shapes(shapes: list[str], rng: np.random.Generator) -> Floats:
    canvas = _CANVASES[int(rng.integers(len(_CANVASES)))]
    ground = _near(tuple(world.BACKGROUNDS.values()), rng)
    picture = np.broadcast_to(ground, (canvas, canvas, 3)).astype(np.float32)
    softness = float(rng.uniform(*_SOFTNESS))
    for index, shape in enumerate(shapes):
        span = float(rng.uniform(0.18, 0.70 if len(shapes) == 1 else 0.40))
        low, high = span / 2 + 0.01, 1 - span / 2 - 0.01
        x, y = rng.uniform(low, high, 2)
        if len(shapes) == 2:
            x = 0.25 + 0.5 * index
        share = coverage(SceneObject(shape, "red", span, float(x), float(y)), canvas, softness)[..., None]
        picture = picture * (1 - share) + _colour(ground, shape, rng) * share
    return picture


def _colour(ground: Floats, shape: str | None, rng: np.random.Generator) -> Floats:
    """Return a colour that stands out from the background: one of the world, or, in 40 %, any.

    Its nearest name and the shape are no pair that is never trained.
    """
    while True:
        is_named = rng.random() < 0.6
        colour = _near(tuple(world.COLOURS.values()), rng) if is_named else rng.uniform(0, 255, 3)
        name = min(world.COLOURS, key=lambda each: float(np.linalg.norm(colour - world.COLOURS[each])))
        if np.linalg.norm(colour - ground) > _MIN_CONTRAST and (name, shape) not in NEVER_TRAINED_PAIRS:
            return colour.astype(np.float32)


def _near(colours: tuple[tuple[int, int, int], ...], rng: np.random.Generator) -> Floats:
    chosen = np.array(colours[int(rng.integers(len(colours)))], np.float32)
    return np.asarray(np.clip(chosen + rng.uniform(-_JITTER, _JITTER, 3), 0, 255), np.float32)


def _without_shape(rng: np.random.Generator) -> Floats:
    """Return an empty picture, noise, stripes, or a random polygon."""
    ground = _near(tuple(world.BACKGROUNDS.values()), rng)
    picture = Image.new("RGB", (CANVAS, CANVAS), tuple(int(v) for v in ground))
    kind = int(rng.integers(4))
    if kind == 1:
        return np.asarray(rng.uniform(0, 255, (CANVAS, CANVAS, 3)), np.float32)
    if kind >= 2:
        drawing = ImageDraw.Draw(picture)
        colour = tuple(int(v) for v in _colour(ground, None, rng))
        if kind == 2:
            corners = rng.uniform(8, CANVAS - 8, (int(rng.integers(5, 9)), 2))
            drawing.polygon([(float(x), float(y)) for x, y in corners], fill=colour)
        else:
            for place in range(int(rng.integers(8)), CANVAS, int(rng.integers(6, 20))):
                drawing.line([(place, 0), (place, CANVAS)], fill=colour, width=int(rng.integers(1, 6)))
    return np.asarray(picture, np.float32)


def _finished(picture: Floats, rng: np.random.Generator) -> world.Pixels:
    """Resize a picture to 64 pixels and add gamma, noise and compression, each in some of the pictures."""
    if rng.random() < 0.3:
        picture = 255.0 * (np.clip(picture, 0, 255) / 255.0) ** rng.uniform(0.7, 1.4)
    if rng.random() < 0.6:
        picture = picture + rng.uniform(0, 10) * rng.standard_normal(picture.shape, dtype=np.float32)
    drawn = Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8))
    if drawn.width != CANVAS:
        drawn = drawn.resize((CANVAS, CANVAS), _FILTERS[int(rng.integers(len(_FILTERS)))])
    if rng.random() < 0.15:
        file = io.BytesIO()
        drawn.save(file, "JPEG", quality=int(rng.integers(50, 95)))
        drawn = Image.open(file)
    return np.asarray(drawn)
