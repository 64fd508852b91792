"""Words and the tokens that they consist of, for tokenizers of several sorts."""

from collections.abc import Callable, Sequence

import pytest
from brushwork_workers.families.captions.text_tokens import TextTokens


def found(
    text: str, decoded: Sequence[str], is_shown: Sequence[bool] | None = None
) -> list[tuple[str, Sequence[int]]]:
    """The words of a text and their tokens; `decoded` is the text after each number of added tokens."""
    tokens = TextTokens.of(text, decoded.__getitem__, is_shown or [True] * (len(decoded) - 1))
    return [(text[word.first : word.last], word.tokens) for word in tokens.words()]


def growing(*pieces: str, clean: Callable[[str], str] = str.strip) -> list[str]:
    return [clean("".join(pieces[:number])) for number in range(len(pieces) + 1)]


@pytest.mark.parametrize(
    ("decoded", "words"),
    [
        pytest.param(
            growing("a", " rain", "bow", " cat", "."),
            [("a", [0]), ("rainbow", [1, 2]), ("cat", [3]), (".", [4])],
            id="sub-words",
        ),
        pytest.param(
            growing("▁", "a", "▁", "red", "▁", "ring", clean=lambda text: text.replace("▁", " ").strip()),
            [("a", [0, 1]), ("red", [2, 3]), ("ring", [4, 5])],
            id="spaces as tokens",
        ),
        pytest.param(
            growing("白色", "背景上", "的", "红色", "圆形"),
            [("白色", [0]), ("背景上", [1]), ("的", [2]), ("红色", [3]), ("圆形", [4])],
            id="Chinese terms",
        ),
        pytest.param(
            growing("红", "色", "圆", "形"), [("红色", [0, 1]), ("圆形", [2, 3])], id="Chinese characters"
        ),
        pytest.param(
            ["", "\ufffd", "\ufffd", "红", "红\ufffd", "红色", "红色圆", "红色圆形"],
            [("红色", [0, 1, 2, 3, 4]), ("圆形", [5, 6])],
            id="bytes of Chinese characters",
        ),
        pytest.param(
            ["", "a", "an orange", "an orange cat"],
            [("an", [0]), ("orange", [1]), ("cat", [2])],
            id="a decoder that changes earlier letters",
        ),
        pytest.param(
            ["", "don", "don'", "don't", "don't go"],
            [("don't", [0, 1, 2]), ("go", [3])],
            id="apostrophe",
        ),
        pytest.param(
            ["", "red", "red", "red cat", "red cat"], [("red", [0]), ("cat", [1, 2, 3])], id="pauses"
        ),
        pytest.param(
            growing("a New York", " cab"), [("a New York", [0]), ("cab", [1])], id="several words in one"
        ),
        pytest.param(growing("a ☃", " 🐈"), [("a ☃", [0]), ("🐈", [1])], id="symbols"),
    ],
)
def test_each_token_belongs_to_one_word(decoded: Sequence[str], words: list[tuple[str, list[int]]]) -> None:
    assert found(decoded[-1], decoded) == words


def test_the_prompt_is_no_part() -> None:
    assert found("a red circle", ["a red", "a red cir", "a red circle"]) == [("circle", [0, 1])]


def test_a_word_that_the_prompt_begins_is_scored_by_the_rest() -> None:
    assert found("a rainbow cat", ["a rain", "a rainbow", "a rainbow cat"]) == [
        ("rainbow", [0]),
        ("cat", [1]),
    ]


def test_special_tokens_belong_to_no_word() -> None:
    decoded = ["", "", "red", "red", "red cat", "red cat"]
    shown = [False, True, False, True, False]
    assert found("red cat", decoded, shown) == [("red", [1]), ("cat", [3])]


def test_nothing_is_found_in_nothing() -> None:
    assert found("", [""]) == []
    assert found("", ["", ""], [False]) == []


@pytest.mark.parametrize(
    ("word", "indices"),
    [("red", [1, 6]), ("RED", [1, 6]), ("red circle", [1, 2]), ("circle", [2]), ("ed", []), ("blue", [])],
)
def test_a_word_is_found_wherever_the_text_has_it(word: str, indices: list[int]) -> None:
    decoded = growing("a", " red", " circle", " left", " of", " a", " red", " square")
    tokens = TextTokens.of(decoded[-1], decoded.__getitem__, [True] * 8)
    assert tokens.tokens_of(word) == indices
