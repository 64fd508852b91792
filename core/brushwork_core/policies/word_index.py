"""Finds any of many words in a text, in a time that depends on the text and hardly on the number of words.

Expressions of RE2 take tens of milliseconds for a thousand words: with the classes of characters beside each
word, they are too large for the fast way of RE2.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import re2

# Scripts that are written without spaces. Next to one of their characters, a word may begin and end anywhere.
UNSPACED = ("Han", "Hiragana", "Katakana", "Bopomofo", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan", "Yi")
_WORD_CHARACTER: Any = re2.compile(r"[\pL\pN\pM_]")
_UNSPACED_CHARACTER: Any = re2.compile("[" + "".join(rf"\p{{{name}}}" for name in UNSPACED) + "]")
# First characters by which words are found that may begin anywhere.
_HEAD = 2


class WordIndex:
    """Words by their beginnings. Safe to use from any thread.

    A word that begins with a letter or digit begins where a run of such characters begins, and has this whole
    run: so the run leads to it. A word that begins with another character, or with one of a script without
    spaces, may begin anywhere: its first characters lead to it.

    Args:
        words: Words in the form in which texts are compared. None is empty.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._by_run = _grouped((_run_at(word, 0), word) for word in words if _is_run(word[0]))
        others = [word for word in words if not _is_run(word[0])]
        self._by_head = _grouped((word[:_HEAD], word) for word in others)

    def finds(self, text: str) -> bool:
        """Return whether a text, in the form in which texts are compared, contains one of the words."""
        place = 0
        while place < len(text):
            run = _run_at(text, place)
            known = self._by_run.get(run, ()) if run else self._beginning_with(text, place)
            if any(_is_at(text, place, word) for word in known):
                return True
            place += len(run) or 1
        return False

    def _beginning_with(self, text: str, place: int) -> Iterator[str]:
        for length in range(1, _HEAD + 1):
            yield from self._by_head.get(text[place : place + length], ())


def _grouped(pairs: Iterator[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for key, word in pairs:
        found.setdefault(key, []).append(word)
    return found


def _is_at(text: str, place: int, word: str) -> bool:
    if not text.startswith(word, place):
        return False
    end = place + len(word)
    # A word that ends with a letter or digit ends where a run ends.
    return end == len(text) or not (_is_run(word[-1]) and _is_run(text[end]))


def _run_at(text: str, place: int) -> str:
    end = place
    while end < len(text) and _is_run(text[end]):
        end += 1
    return text[place:end]


@lru_cache(maxsize=10_000)
def _is_run(char: str) -> bool:
    """Whether a character is part of a word, and of a script with spaces."""
    return _WORD_CHARACTER.search(char) is not None and _UNSPACED_CHARACTER.search(char) is None
