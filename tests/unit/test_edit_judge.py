"""The judge of edits and videos passes what is drawn right and fails what is not."""

from dataclasses import replace

import numpy as np
import pytest

from recipes.pocket.scenes import edits, motions, world
from recipes.pocket.scenes.edits import Instruction
from recipes.pocket.scenes.motions import Motion
from tests.edit_judge import judge_edit, judge_frames
from tests.second_renderer import random_drawing, render

ITEM = world.SceneObject("star", "red", 0.40, 0.62, 0.40)
SCENE = world.Scene("gray", (ITEM,))
MOTION = Motion("blue", "heart", "right", "far", "beige")


def wrong(after: world.Scene, instruction: Instruction) -> set[str]:
    verdict = judge_edit(world.draw(SCENE), world.draw(after), instruction)
    return {name for name, right in verdict.items() if not right}


def with_item(**changes: object) -> world.Scene:
    return replace(SCENE, objects=(replace(ITEM, **changes),))  # type: ignore[arg-type]


def test_drawn_edits_are_right() -> None:
    rng = np.random.default_rng(3)
    right = []
    for _ in range(40):
        edit = edits.sample_edit(rng)
        right.append(all(judge_edit(*edits.draw_edit(edit, rng), edit.instruction).values()))
    assert sum(right) >= 39


def test_edits_that_another_program_draws_are_right() -> None:
    rng = np.random.default_rng(4)
    right = []
    for colour in world.COLOURS:
        before = replace(random_drawing(rng), noise=2.0, edge="box")
        after = replace(before, colour=colour, noise=0.0)
        right.append(all(judge_edit(render(before), render(after), Instruction(colour=colour)).values()))
    assert all(right)


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"colour": "blue"}, set()),
        ({}, {"colour"}),
        ({"colour": "purple"}, {"colour"}),
        ({"colour": "blue", "shape": "heart"}, {"shape"}),
        ({"colour": "blue", "x": 0.50}, {"place"}),
        ({"colour": "blue", "span": 0.52}, {"size"}),
    ],
)
def test_of_a_new_colour_everything_else_must_stay(changes: dict[str, object], failed: set[str]) -> None:
    assert wrong(with_item(**changes), Instruction(colour="blue")) == failed


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"x": 0.25, "y": 0.5}, set()),
        ({}, {"place"}),
        ({"x": 0.75, "y": 0.5}, {"place"}),
        ({"x": 0.25, "y": 0.5, "colour": "orange"}, {"colour"}),
        ({"x": 0.25, "y": 0.5, "shape": "cross"}, {"shape"}),
    ],
)
def test_of_a_new_place_everything_else_must_stay(changes: dict[str, object], failed: set[str]) -> None:
    assert wrong(with_item(**changes), Instruction(position="left")) == failed


def test_another_background_and_a_second_object_are_wrong() -> None:
    blue = replace(ITEM, colour="blue")
    assert wrong(world.Scene("white", (blue,)), Instruction(colour="blue")) == {"background"}
    second = world.SceneObject("circle", "blue", 0.22, 0.15, 0.85)
    assert wrong(world.Scene("gray", (blue, second)), Instruction(colour="blue")) == {"count"}


def test_a_picture_without_an_object_fails_everything_but_the_background() -> None:
    failed = wrong(world.Scene("gray", ()), Instruction(colour="blue"))
    assert failed == {"count", "shape", "colour", "size", "place"}


def test_drawn_videos_are_right() -> None:
    rng = np.random.default_rng(5)
    for _ in range(6):
        motion = motions.sample_motion(rng)
        verdicts = judge_frames(list(motions.draw_video(motion)), motion)
        assert all(all(verdict.values()) for verdict in verdicts), motion


def share_right(frames: list[world.Pixels], motion: Motion = MOTION) -> float:
    return float(np.mean([all(verdict.values()) for verdict in judge_frames(frames, motion)]))


def test_wrong_videos_have_few_right_frames() -> None:
    frames = list(motions.draw_video(MOTION))
    assert share_right(frames) == 1.0
    assert share_right([frames[0]] * 16) <= 4 / 16
    assert share_right(frames[::-1]) <= 3 / 16
    for other in ({"direction": "up"}, {"distance": "a little"}, {"direction": "left"}):
        assert share_right(frames, replace(MOTION, **other)) <= 0.5
    for other in ({"colour": "cyan"}, {"shape": "ring"}, {"background": "white"}):
        assert share_right(frames, replace(MOTION, **other)) == 0.0
    empty = world.draw(world.Scene("beige", ()))
    assert share_right([empty, *frames[1:]]) == 0.0
