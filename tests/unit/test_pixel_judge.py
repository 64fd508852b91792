"""The pixel judge passes what is drawn right and fails what is not."""

from dataclasses import replace

import numpy as np
import pytest

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import Description, sample_full
from recipes.pocket.scenes.staging import NARROW, WIDE, Ranges, stage
from tests.pixel_judge import all_right, judge

ONE = Description((("red", "star"),), "white", "large", "left")
TWO = Description((("red", "circle"), ("blue", "square")), "gray", relation="left of")


def _draw(description: Description, seed: int = 0) -> world.Pixels:
    rng = np.random.default_rng(seed)
    return world.draw(stage(description, NARROW, rng), rng=rng)


@pytest.mark.parametrize("num_objects", [1, 2])
@pytest.mark.parametrize(
    ("ranges", "variation"), [(NARROW, world.EXACT), (WIDE, world.EXACT), (WIDE, world.VARIED)]
)
def test_drawn_pictures_pass(num_objects: int, ranges: Ranges, variation: world.Variation) -> None:
    rng = np.random.default_rng(5)
    right = 0
    for _ in range(30):
        description = sample_full(num_objects, rng)
        picture = world.draw(stage(description, ranges, rng), 64, variation, rng)
        right += all_right(judge(picture, description))
    assert right >= 29


@pytest.mark.parametrize(
    ("attribute", "wrong"),
    [
        ("background", replace(ONE, background="beige")),
        ("colour", replace(ONE, pairs=(("orange", "star"),))),
        ("shape", replace(ONE, pairs=(("red", "triangle"),))),
        ("size", replace(ONE, size="small")),
        ("position", replace(ONE, position="right")),
        ("position", replace(ONE, position="center")),
    ],
)
def test_one_wrong_attribute_fails_alone(attribute: str, wrong: Description) -> None:
    verdict = judge(_draw(ONE), wrong)
    assert [name for name, right in verdict.items() if not right] == [attribute]


@pytest.mark.parametrize("relation", ["right of", "above", "below"])
def test_wrong_relation_fails(relation: str) -> None:
    assert not all_right(judge(_draw(TWO), replace(TWO, relation=relation)))


def test_swapped_colours_fail() -> None:
    swapped = replace(TWO, pairs=(("blue", "circle"), ("red", "square")))
    assert not all_right(judge(_draw(TWO), swapped))


def test_twins_are_told_apart_by_place_alone() -> None:
    twins = replace(TWO, pairs=(("red", "circle"), ("red", "circle")))
    assert all_right(judge(_draw(twins), twins))
    assert not judge(_draw(twins), replace(twins, relation="above"))["relation"]


@pytest.mark.parametrize("shape", world.SHAPES)
def test_every_shape_is_only_itself(shape: str) -> None:
    picture = _draw(Description((("green", shape),), "black", None, "center"))
    passed = [
        other for other in world.SHAPES if judge(picture, Description((("green", other),), "black"))["shape"]
    ]
    assert passed == [shape]


def test_missing_and_extra_objects_fail() -> None:
    empty = np.full((64, 64, 3), 245, np.uint8)
    assert judge(empty, ONE) == dict.fromkeys(
        ["count", "background", "colour", "shape", "size", "position"], False
    ) | {"background": True}
    assert not judge(_draw(TWO), Description((("red", "circle"),)))["count"]


def test_unnamed_attributes_are_not_judged() -> None:
    assert judge(_draw(ONE), Description((("red", "star"),))).keys() == {"count", "colour", "shape"}


def test_larger_canvas() -> None:
    rng = np.random.default_rng(2)
    assert all_right(judge(world.draw(stage(ONE, WIDE, rng), 128), ONE))
