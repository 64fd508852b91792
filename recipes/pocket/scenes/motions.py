"""Videos of one object that moves in a straight line: their grammar, their frames and the test split."""

import hashlib
from dataclasses import dataclass

import numpy as np

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import CHINESE, HELD_OUT_SHARE, NEVER_TRAINED_PAIRS

NUM_FRAMES = 16
SPAN = 0.34
"""The span of the object, as a share of the canvas."""
DIRECTIONS = ("left", "right", "up", "down")
DISTANCES = {"a little": 0.20, None: 0.35, "far": 0.50}
"""The length of the way by its word, as a share of the canvas."""
UNNAMED_BACKGROUND = "white"

_ENGLISH_DIRECTIONS = {"left": "to the left", "right": "to the right", "up": "up", "down": "down"}
_CHINESE_DIRECTIONS = dict(zip(DIRECTIONS, "左右上下", strict=True))
_CHINESE_DISTANCES = {"a little": "一点", None: "", "far": "很远"}
_AXES = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True)
class Motion:
    """What a video shows.

    Args:
        colour: One of `world.COLOURS`.
        shape: One of `world.SHAPES`.
        direction: One of `DIRECTIONS`.
        distance: One of `DISTANCES`; None if the prompt does not name it.
        background: One of `world.BACKGROUNDS`; None if the prompt does not name it.
    """

    colour: str
    shape: str
    direction: str
    distance: str | None = None
    background: str | None = None

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pair of colour and shape, in the form of `grammar.Description`."""
        return ((self.colour, self.shape),)


def english(motion: Motion) -> str:
    """Return the English prompt: `a red circle moves far to the right on a white background`."""
    article = "an" if motion.colour == "orange" else "a"
    distance = f" {motion.distance}" if motion.distance else ""
    way = f"moves{distance} {_ENGLISH_DIRECTIONS[motion.direction]}"
    text = f"{article} {motion.colour} {motion.shape} {way}"
    return f"{text} on a {motion.background} background" if motion.background else text


def chinese(motion: Motion) -> str:
    """Return the Chinese prompt: `白色背景上,红色圆形向右移动很远`."""
    ground = f"{CHINESE[motion.background]}背景上," if motion.background else ""
    way = f"向{_CHINESE_DIRECTIONS[motion.direction]}移动{_CHINESE_DISTANCES[motion.distance]}"
    return f"{ground}{CHINESE[motion.colour]}{CHINESE[motion.shape]}{way}"


def prompt_for(motion: Motion, rng: np.random.Generator) -> str:
    """Return a training prompt in one of both languages."""
    return english(motion) if rng.random() < 0.5 else chinese(motion)


def held_out(motion: Motion) -> bool:
    """Return whether a motion is reserved for tests: it has a never-trained pair, or one in ten by hash."""
    if motion.pairs[0] in NEVER_TRAINED_PAIRS:
        return True
    digest = hashlib.sha256(repr(motion).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE


def sample_motion(rng: np.random.Generator) -> Motion:
    """Return a random motion. Three of four name their background."""
    background = _pick(tuple(world.BACKGROUNDS), rng) if rng.random() < 0.75 else None
    distance = list(DISTANCES)[int(rng.integers(len(DISTANCES)))]
    colour, shape = _pick(tuple(world.COLOURS), rng), _pick(world.SHAPES, rng)
    return Motion(colour, shape, _pick(DIRECTIONS, rng), distance, background)


def sample_training(rng: np.random.Generator) -> Motion:
    """Return a random motion that is not held out."""
    while held_out(motion := sample_motion(rng)):
        pass
    return motion


def sample_test(rng: np.random.Generator, never_trained: bool = False) -> Motion:
    """Return a held-out motion: with a never-trained pair, or without."""
    while True:
        motion = sample_motion(rng)
        if held_out(motion) and (motion.pairs[0] in NEVER_TRAINED_PAIRS) == never_trained:
            return motion


def scene_at(motion: Motion, frame: int) -> world.Scene:
    """Return the scene of a frame, 0 to 15. The middle of the way is the middle of the canvas."""
    along = DISTANCES[motion.distance] * (frame / (NUM_FRAMES - 1) - 0.5)
    dx, dy = _AXES[motion.direction]
    item = world.SceneObject(motion.shape, motion.colour, SPAN, 0.5 + dx * along, 0.5 + dy * along)
    return world.Scene(motion.background or UNNAMED_BACKGROUND, (item,))


def draw_video(motion: Motion) -> world.Pixels:
    """Draw the frames of a motion, RGB `[16, 64, 64, 3]`."""
    return np.stack([world.draw(scene_at(motion, frame)) for frame in range(NUM_FRAMES)])


def words() -> list[str]:
    """Return all English words of prompts, each once."""
    glue = "a an moves a little far to the left right up down on background"
    return list(dict.fromkeys((*glue.split(), *world.COLOURS, *world.SHAPES, *world.BACKGROUNDS)))


def terms() -> list[str]:
    """Return all Chinese terms of prompts, each once."""
    ways = [f"向{direction}移动" for direction in _CHINESE_DIRECTIONS.values()]
    names = [CHINESE[name] for name in (*world.COLOURS, *world.SHAPES, *world.BACKGROUNDS)]
    return [*ways, *filter(None, _CHINESE_DISTANCES.values()), "背景上", *names]


def _pick(names: tuple[str, ...], rng: np.random.Generator) -> str:
    return names[int(rng.integers(len(names)))]
