"""Judges edits of pictures and frames of videos by their pixels alone, as `tests.pixel_judge` does.

An edit is judged against the picture before it: the shape, colour and background to keep are read from its
pixels, not from the scene that was drawn. A frame is judged against the first frame of its video.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.pixel_judge import (
    BACKGROUNDS,
    COLOURS,
    MIN_OVERLAP,
    Found,
    background_rgb,
    best_overlap,
    find_objects,
    has_shape,
    is_at,
    judge,
    nearest,
)

Picture = Image.Image | NDArray[np.uint8]

_STAYED = 0.06
"""An object that is recoloured stays within this distance of its place, as a share of the canvas."""
_SAME_SPAN = 0.08
_ACROSS = 0.06
_ALONG = 0.05
_LENGTHS = {"a little": (0.12, 0.28), None: (0.25, 0.45), "far": (0.40, 0.60)}
"""The least and the greatest length of the whole way by its word, as shares of the canvas."""
_AXES = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


class ExpectedEdit(Protocol):
    """What an instruction asks for: a colour or a place."""

    @property
    def colour(self) -> str | None: ...
    @property
    def position(self) -> str | None: ...


class ExpectedMotion(Protocol):
    """What a video should show; None where a prompt leaves an attribute free."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def background(self) -> str | None: ...
    @property
    def direction(self) -> str: ...
    @property
    def distance(self) -> str | None: ...


@dataclass(frozen=True)
class _Frame:
    """What the judge of pictures expects of each frame."""

    pairs: tuple[tuple[str, str], ...]
    background: str | None
    size: None = None
    position: None = None
    relation: None = None


def judge_edit(before: Picture, after: Picture, expected: ExpectedEdit) -> dict[str, bool]:
    """Return which parts of an edit are right.

    Args:
        before: The picture of one object that was edited, RGB, square.
        after: The result, of the same size.
        expected: What the instruction asked for.

    Returns:
        "count" (one object), "background" (has the same name as before), "shape" (is that before the edit),
        "colour" (the wanted one, or that before), "size" (within 0.08 of that before), and "place" (the
        wanted one, or within 0.06 of that before).
    """
    old_ground, old = _read(before)
    ground, found = _read(after)
    if not old:
        raise ValueError("the picture before the edit shows no object")
    names = ("shape", "colour", "size", "place")
    verdict = {"count": len(found) == 1, "background": ground == old_ground}
    if not found:
        return verdict | dict.fromkeys(names, False)
    was, now = old[0], found[0]
    if expected.position:
        is_placed = is_at(now, expected.position)
    else:
        is_placed = max(abs(now.x - was.x), abs(now.y - was.y)) <= _STAYED
    right = (
        has_shape(now, shape_of(was)),
        now.colour == (expected.colour or was.colour),
        abs(now.span - was.span) <= _SAME_SPAN,
        is_placed,
    )
    return verdict | dict(zip(names, right, strict=True))


def shape_of(item: Found) -> str:
    """Return the shape whose ideal outline fits an object best."""
    return max(MIN_OVERLAP, key=lambda shape: best_overlap(item, shape))


def judge_frames(frames: Sequence[Picture], expected: ExpectedMotion) -> list[dict[str, bool]]:
    """Return for each frame of a video which of its parts are right.

    Args:
        frames: The frames, RGB, square, at least two.
        expected: What the prompt asked for.

    Returns:
        For each frame "count", "colour", "shape", "background" if the prompt names it, and "way": the object
        has moved from its place in the first frame by the share of the way that this frame stands for (within
        0.05 along it and 0.06 across).
    """
    wanted = _Frame(expected.pairs, expected.background)
    places = [_place(frame) for frame in frames]
    low, high = _LENGTHS[expected.distance]
    ax, ay = _AXES[expected.direction]
    verdicts = []
    for index, (frame, place) in enumerate(zip(frames, places, strict=True)):
        verdict = judge(frame, wanted)
        verdict["way"] = False
        if place and places[0]:
            dx, dy = place[0] - places[0][0], place[1] - places[0][1]
            along, across = dx * ax + dy * ay, abs(dx * ay) + abs(dy * ax)
            share = index / (len(frames) - 1)
            is_along = low * share - _ALONG <= along <= high * share + _ALONG
            verdict["way"] = bool(is_along and across <= _ACROSS)
        verdicts.append(verdict)
    return verdicts


def _read(picture: Picture) -> tuple[str, list[Found]]:
    pixels = np.asarray(picture, dtype=np.float64)[..., :3]
    ground = background_rgb(pixels)
    return nearest(ground, COLOURS | BACKGROUNDS), find_objects(pixels, ground)


def _place(frame: Picture) -> tuple[float, float] | None:
    _, found = _read(frame)
    return (found[0].x, found[0].y) if found else None
