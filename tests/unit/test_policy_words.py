"""Word lists: what counts as the same text, where a word begins and ends, and patterns that would hang."""

import time
from typing import Any

import pytest
import re2
from brushwork_core.policies.text_matching import TextMatcher, normalized
from brushwork_core.policies.word_index import UNSPACED, WordIndex
from hypothesis import given
from hypothesis.strategies import lists, text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("gun", "a gun"),
        ("gun", "GUN!"),
        ("gun", "ｇｕｎ in full width"),
        ("gun", "a g\u200bu\u00adn with invisible characters"),
        ("gun", "枪gun图"),
        ("Straße", "die STRASSE"),
        ("naïve", "nai\u0308ve"),
        ("ﬁre", "open fire"),
        ("naked  child", "a naked\n child"),
        ("istanbul", "İSTANBUL"),
        ("暴力", "一张暴力图片"),
        ("暴力", "一张暴 力图片"),
        ("暴力 gun", "暴力 gun"),
        ("ナイフ", "ﾅｲﾌを持つ"),
        ("c++", "written in c++, badly"),
        ("+18", "only +18"),
        ("\u0e1b\u0e37\u0e19", "\u0e21\u0e35\u0e1b\u0e37\u0e19\u0e2d\u0e22\u0e39\u0e48"),
    ],
)
def test_a_word_is_found(word: str, text: str) -> None:
    assert TextMatcher([word]).finds(text)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("gun", "she begun"),
        ("gun", "gunther"),
        ("gun", "gun_barrel"),
        ("gun", "gun9"),
        ("cafe", "café"),
        ("cafe", "cafe\u0301"),
        ("ass", "a class of glass"),
        ("оружие", "оружием"),
        ("naked child", "naked, child"),
        ("暴力", "暴走的力量"),
    ],
)
def test_a_part_of_a_word_is_not_found(word: str, text: str) -> None:
    assert not TextMatcher([word]).finds(text)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*a){20}c", "(x+x+)+y", "^(([a-z])+.)+[A-Z]$"])
def test_a_pattern_that_makes_backtracking_engines_hang(pattern: str) -> None:
    matcher = TextMatcher(patterns=[pattern])
    began = time.process_time()
    assert not matcher.finds("a" * 50_000 + "!" if "x" not in pattern else "x" * 50_000)
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("pattern", ["(a", "a(?=b)", r"(a)\1", "[", "(a{1000}){1000}"])
def test_a_pattern_that_cannot_be_used_says_so(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a pattern of RE2"):
        TextMatcher(patterns=[pattern])


def test_thousands_of_words() -> None:
    matcher = TextMatcher([f"word{number}" for number in range(3000)])
    assert matcher.finds("this is word2999")
    assert not matcher.finds("this is word3000")


def test_patterns_see_the_normalized_text() -> None:
    assert TextMatcher(patterns=["kn(i|1)fe"]).finds("ＫＮ１ＦＥ")


def test_spaces_between_words_stay() -> None:
    assert normalized("  Two\twords ") == "two words"


UNSPACED_CLASS = "".join(rf"\p{{{name}}}" for name in UNSPACED)
EDGE = rf"[^\pL\pN\pM_]|[{UNSPACED_CLASS}]"
LETTERS = "abc9_ +-枪暴ナ\u0e1b\u0301é"


def by_expression(word: str) -> Any:
    """What a word means, as one expression of RE2, which is slow for many words."""

    def needs_edge(char: str) -> bool:
        is_word = re2.search(r"[\pL\pN\pM_]", char)
        return is_word is not None and re2.search(f"[{UNSPACED_CLASS}]", char) is None

    begin = f"(?:^|{EDGE})" if needs_edge(word[0]) else ""
    end = f"(?:$|{EDGE})" if needs_edge(word[-1]) else ""
    return re2.compile(f"{begin}{re2.escape(word)}{end}")


@given(
    words=lists(text(LETTERS, min_size=1, max_size=4), min_size=1, max_size=5),
    shown=text(LETTERS, max_size=24),
)
def test_an_index_finds_what_expressions_find(words: list[str], shown: str) -> None:
    prepared = normalized(shown)
    ready = [each for word in words if (each := normalized(word))]
    expected = any(by_expression(word).search(prepared) is not None for word in ready)
    assert WordIndex(ready).finds(prepared) == expected


def test_many_words_cost_a_long_text_little() -> None:
    matcher = TextMatcher([f"forbidden{number}" for number in range(50_000)])
    shown = "some words of a prompt, 一些文字, " * 1000
    assert not matcher.finds(shown)
    began = time.process_time()
    assert not matcher.finds(shown)
    # 30,000 characters; a hundred expressions took more than a second for a hundredth of them.
    assert time.process_time() - began < 1.0
    assert matcher.finds(f"{shown}forbidden777")
