"""Draws people as coloured skeletons, as OpenPose does, on which ControlNets for poses were trained."""

import colorsys
from collections.abc import Sequence

from PIL import Image, ImageDraw

# Across and down, in pixels.
Keypoint = tuple[float, float]
# The points of OpenPose's body of 18 by their numbers in COCO's body of 17; the neck, 1, is between 5 and 6.
_FROM_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS = (5, 6)
# Limbs by the points that they connect, in the order of their colours.
_LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
_NUM_COLOURS = 18
# OpenPose draws limbs darker than points.
_LIMB_BRIGHTNESS = 0.6
# Width of a limb and radius of a point in a picture of 512 pixels.
_WIDTH, _RADIUS, _OF_SIDE = 8, 4, 512


def skeleton_picture(size: tuple[int, int], people: Sequence[Sequence[Keypoint | None]]) -> Image.Image:
    """Return the people on black.

    Args:
        size: Width and height of the picture, in pixels.
        people: For each person the 17 points of COCO, None for those that were not found.
    """
    picture = Image.new("RGB", size)
    pen = ImageDraw.Draw(picture)
    scale = max(size) / _OF_SIDE
    width, radius = max(1, round(_WIDTH * scale)), max(1.0, _RADIUS * scale)
    bodies = [_body(person) for person in people]
    for body in bodies:
        for number, (one, other) in enumerate(_LIMBS):
            begin, end = body[one], body[other]
            if begin is not None and end is not None:
                pen.line((begin, end), fill=_colour(number, _LIMB_BRIGHTNESS), width=width)
    for body in bodies:
        for number, point in enumerate(body):
            if point is not None:
                pen.circle(point, radius, fill=_colour(number))
    return picture


def _body(person: Sequence[Keypoint | None]) -> list[Keypoint | None]:
    left, right = (person[index] for index in _SHOULDERS)
    neck = None if left is None or right is None else ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    return [neck if index is None else person[index] for index in _FROM_COCO]


def _colour(number: int, brightness: float = 1.0) -> tuple[int, int, int]:
    """Return the colour of a limb or point: OpenPose goes around the colour circle in 18 steps."""
    red, green, blue = colorsys.hsv_to_rgb(number / _NUM_COLOURS, 1.0, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)
