"""Warnings about words that the tokenizer of a model does not know."""

import pytest
from brushwork_workers.families.diffusion.conditioning.unknown_words import UnknownWords
from brushwork_workers.pocket import WEIGHTS
from transformers import AutoTokenizer, CLIPTokenizer

POCKET = UnknownWords([AutoTokenizer.from_pretrained(WEIGHTS / "pocket-diffusion" / "tokenizer"), None])


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a red circle", []),
        ("一只可爱的猫", ["可爱", "猫"]),
        ("沙发上的猫", ["沙发上", "猫"]),
        ("two red circles and one more", ["two", "circles", "and", "one", "more"]),
        ("a yellow square on a green background", ["green background"]),
        ("绿色背景上的黄色正方形", ["绿色背景上"]),
        ("a gray circle", ["gray"]),
        ("黑色圆形", ["黑色"]),
        ("a small red circle above a large blue square", ["small", "large"]),
        ("a cat, a cat and a red circle", ["cat", "and"]),
        ("赛博朋克", ["赛博朋克"]),
        (" ".join(["a"] * 40) + " cat", ["cat"]),
        ("🔴 circle", ["🔴"]),
    ],
)
def test_words_are_those_of_the_prompt(prompt: str, words: list[str]) -> None:
    assert [warning.parameters["words"] for warning in POCKET.warnings(prompt=prompt)] == [words] * bool(
        words
    )


def test_each_field_has_a_warning_of_its_own() -> None:
    told = POCKET.warnings(prompt="a cat", negative_prompt="a dog", other=None)
    assert [(warning.code, warning.field, warning.parameters["words"]) for warning in told] == [
        ("unknown_words", "prompt", ["cat"]),
        ("unknown_words", "negative_prompt", ["dog"]),
    ]


def test_a_tokenizer_of_bytes_knows_every_word() -> None:
    vocabulary = {"a": 0, "a</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}
    clip = CLIPTokenizer(vocab=vocabulary, merges=[])
    assert UnknownWords([clip]).warnings(prompt="a b c") == []
