"""The grammars of edits and videos, and what keeps their tests apart from their training."""

import numpy as np
import pytest

from recipes.pocket.scenes import edits, motions, world
from recipes.pocket.scenes.edits import Instruction
from recipes.pocket.scenes.grammar import NEVER_TRAINED_PAIRS
from recipes.pocket.scenes.motions import Motion
from recipes.pocket.texts import instruction_text, motion_text
from recipes.pocket.texts.small_text_encoder import MAX_TOKENS, build_tokenizer, encode
from recipes.pocket.texts.tokenizer import UNKNOWN


@pytest.mark.parametrize(
    ("prompt", "instruction"),
    [
        ("make it blue", Instruction(colour="blue")),
        ("  Make it  BLUE. ", Instruction(colour="blue")),
        ("把它变成蓝色", Instruction(colour="blue")),
        ("把它变成 蓝色。", Instruction(colour="blue")),
        ("move it to the left", Instruction(position="left")),
        ("move it to the bottom.", Instruction(position="bottom")),
        ("把它移到左边", Instruction(position="left")),
        ("把它移到中间", Instruction(position="center")),
        ("make it white", None),
        ("a red circle", None),
        ("", None),
    ],
)
def test_instructions_are_read(prompt: str, instruction: Instruction | None) -> None:
    assert edits.parse(prompt) == instruction


def test_every_instruction_is_written_and_read_in_both_languages() -> None:
    every = edits.instructions()
    assert len(every) == len(world.COLOURS) + len(world.POSITIONS)
    for instruction in every:
        assert edits.parse(edits.english(instruction)) == instruction
        assert edits.parse(edits.chinese(instruction)) == instruction


@pytest.mark.parametrize(
    ("motion", "english", "chinese"),
    [
        (
            Motion("red", "circle", "right", "far", "white"),
            "a red circle moves far to the right on a white background",
            "白色背景上,红色圆形向右移动很远",
        ),
        (Motion("orange", "ring", "up"), "an orange ring moves up", "橙色环形向上移动"),
        (
            Motion("blue", "star", "left", "a little"),
            "a blue star moves a little to the left",
            "蓝色星形向左移动一点",
        ),
    ],
)
def test_prompts_of_videos(motion: Motion, english: str, chinese: str) -> None:
    assert (motions.english(motion), motions.chinese(motion)) == (english, chinese)


@pytest.mark.parametrize("part", [instruction_text, motion_text])
def test_a_tokenizer_knows_every_word_of_its_grammar(part: object) -> None:
    grammar = part.grammar()  # type: ignore[attr-defined]
    tokenizer = build_tokenizer(grammar)
    rng = np.random.default_rng(0)
    for prompt in [grammar.sample(rng)[0] for _ in range(300)]:
        ids = tokenizer(prompt)["input_ids"]
        assert tokenizer.unk_token_id not in ids, prompt
        assert len(ids) <= MAX_TOKENS, prompt
    assert tokenizer.convert_ids_to_tokens(tokenizer("make it white")["input_ids"])[-2] in (UNKNOWN, "white")
    assert encode(tokenizer, ["", "red"]).shape == (2, MAX_TOKENS)


def test_training_edits_and_videos_have_no_held_out_pair() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        edit = edits.sample_edit(rng)
        for item in (*edit.before.objects, *edit.after.objects):
            assert (item.colour, item.shape) not in NEVER_TRAINED_PAIRS
        assert not motions.held_out(motions.sample_training(rng))
        assert motions.held_out(motions.sample_test(rng))
    rare = edits.sample_edit(rng, never_trained=True)
    pairs = {(item.colour, item.shape) for scene in (rare.before, rare.after) for item in scene.objects}
    assert pairs & NEVER_TRAINED_PAIRS


def test_an_edit_changes_what_it_names_and_keeps_the_rest() -> None:
    item = world.SceneObject("ring", "red", 0.4, 0.7, 0.3)
    scene = world.Scene("black", (item,))
    (blue,) = edits.edited(scene, Instruction(colour="blue")).objects
    assert (blue.colour, blue.shape, blue.span, blue.x, blue.y) == ("blue", "ring", 0.4, 0.7, 0.3)
    (left,) = edits.edited(scene, Instruction(position="left")).objects
    assert (left.colour, left.span, left.y) == ("red", 0.4, 0.5)
    assert left.x == pytest.approx(0.5 - 0.3 * 0.75)
    assert edits.edited(scene, Instruction()) == scene


def test_an_object_moves_with_constant_speed_through_the_middle() -> None:
    motion = Motion("red", "circle", "down", "far")
    places = [motions.scene_at(motion, frame).objects[0] for frame in range(motions.NUM_FRAMES)]
    assert [place.x for place in places] == [0.5] * 16
    steps = np.diff([place.y for place in places])
    assert steps == pytest.approx([0.5 / 15] * 15)
    assert places[0].y + places[-1].y == pytest.approx(1.0)
