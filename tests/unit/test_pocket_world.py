"""The pocket world's drawing, its grammar and the split of its prompts."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import (
    NEVER_TRAINED_PAIRS,
    Description,
    canonical,
    chinese,
    describe,
    english,
    held_out,
    mirrored,
    parse,
    sample_full,
    sample_test,
    sample_training,
)
from recipes.pocket.scenes.staging import NARROW, WIDE, Ranges, stage

pairs = st.tuples(st.sampled_from(tuple(world.COLOURS)), st.sampled_from(world.SHAPES))
grounds = st.none() | st.sampled_from(tuple(world.BACKGROUNDS))
ones = st.builds(
    Description,
    st.tuples(pairs),
    grounds,
    st.none() | st.sampled_from(world.SIZES),
    st.none() | st.sampled_from(world.POSITIONS),
)
twos = st.builds(Description, st.tuples(pairs, pairs), grounds, relation=st.sampled_from(world.RELATIONS))


@given(ones | twos)
def test_prompts_read_back_in_both_languages(description: Description) -> None:
    assert parse(english(description)) == description
    assert parse(chinese(description)) == description


@given(ones | twos)
def test_case_spaces_and_full_stop_make_no_difference(description: Description) -> None:
    assert parse("  " + english(description).upper().replace(" ", "  ") + ". ") == description
    assert parse(chinese(description) + "\u3002") == description


@given(twos)
def test_mirrored_tellings_are_one_scene(description: Description) -> None:
    assert mirrored(mirrored(description)) == description
    assert canonical(mirrored(description)) == canonical(description)
    assert held_out(mirrored(description)) == held_out(description)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        (
            "a large red circle on the left on a white background",
            Description((("red", "circle"),), "white", "large", "left"),
        ),
        (
            "白色背景上左边的大红色圆形",
            Description((("red", "circle"),), "white", "large", "left"),
        ),
        ("红色圆形", Description((("red", "circle"),))),
        (
            "黑色背景上,红色圆形在蓝色正方形的左边",
            Description((("red", "circle"), ("blue", "square")), "black", relation="left of"),
        ),
    ],
)
def test_the_world_s_own_examples(text: str, description: Description) -> None:
    assert parse(text) == description
    assert text in (english(description), chinese(description))


@pytest.mark.parametrize("text", ["", "a dog", "a red", "红色", "a small red circle above a red star"])
def test_other_text_is_not_of_the_grammar(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("ranges", [NARROW, WIDE])
@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 2))
def test_a_staged_scene_is_described_as_asked(ranges: Ranges, seed: int, num_objects: int) -> None:
    rng = np.random.default_rng(seed)
    description = sample_full(num_objects, rng)
    scene = stage(description, ranges, rng)
    assert describe(scene) == canonical(description)
    for item in scene.objects:
        assert min(item.x, item.y, 1 - item.x, 1 - item.y) >= item.span / 2 - 1e-9


def test_training_and_test_prompts_are_disjoint() -> None:
    rng = np.random.default_rng(0)
    for index in range(400):
        full, partial = sample_training(1 + index % 2, rng)
        assert not held_out(full)
        assert not held_out(partial)
        assert not NEVER_TRAINED_PAIRS & set(full.pairs)
        assert held_out(sample_test(1 + index % 2, rng))


def test_never_trained_tests_hold_such_a_pair() -> None:
    rng = np.random.default_rng(0)
    described = [sample_test(1 + i % 2, rng, never_trained=True) for i in range(40)]
    assert all(NEVER_TRAINED_PAIRS & set(d.pairs) for d in described)
    assert len(NEVER_TRAINED_PAIRS) == 6


@pytest.mark.parametrize("shape", world.SHAPES)
def test_outlines_fill_their_span(shape: str) -> None:
    scene = world.Scene("white", (world.SceneObject(shape, "red", 0.5, 0.5, 0.5),))
    rows, columns = np.nonzero(world.draw_mask(scene, 128))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(64, abs=2)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(63.5, abs=1)


def test_drawing_is_reproducible_and_in_the_named_colours() -> None:
    scene = stage(sample_full(1, np.random.default_rng(3)), NARROW, np.random.default_rng(3))
    first = world.draw(scene, 64, world.VARIED, np.random.default_rng(4))
    assert np.array_equal(first, world.draw(scene, 64, world.VARIED, np.random.default_rng(4)))
    exact = world.draw(scene)
    assert tuple(exact[0, 0]) == world.BACKGROUNDS[scene.background]


def test_importing_the_world_loads_no_torch() -> None:
    code = "import sys; from recipes.pocket.scenes import staging, world; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
