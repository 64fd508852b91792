"""Prompts with one word changed: exchanged for another of its group, or left out.

A colour, a shape, a place or another word of a known group is exchanged, so that the rest of the picture
stays. The other word is of the language and the script of the prompt. Any other word is left out.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from brushwork_schemas.kinds.explanations import chinese_words, english_words
from brushwork_schemas.kinds.explanations.content_words import HAN, content_words, places_of, words_of

_COLOUR_VALUES = (
    (220, 40, 40),
    (240, 140, 40),
    (240, 210, 50),
    (40, 170, 70),
    (60, 200, 210),
    (50, 90, 220),
    (150, 70, 190),
    (240, 130, 180),
    (130, 80, 40),
)
_NEUTRAL_VALUES = ((245, 245, 245), (15, 15, 15), (128, 128, 128), (225, 205, 170))
# The usual colours of prompts, which any model knows: not brown.
_NUM_COLOURS = 8
# Star, triangle, diamond, cross, ring, heart, circle, square: those first that cover the least of their box,
# so that a picture differs within the shape that the word names.
_SHAPES_BY_AREA = (3, 2, 5, 6, 7, 4, 0, 1)
_IS_HAN = re.compile(f"[{HAN}]")
_VOWEL = re.compile(r"(?:[aeio]|u(?!ni|se|ti))|hour|honest", re.IGNORECASE)
_CONSONANT = re.compile(r"(?:one|once|eu)", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(an?)(\s+[(\[]*)$", re.IGNORECASE)
# The next word, perhaps after the brackets around the word that is left out.
_FOLLOWING = re.compile(r"(?:\s*:\s*[\d.]+)?[)\]]*\s+([^\W\d_].*)", re.DOTALL)
_EMPTY_BRACKETS = re.compile(r"[(\[]\s*(?::\s*[\d.]*)?\s*[)\]]")


@dataclass(frozen=True)
class WordChange:
    """A word of a prompt, and the prompts with this word changed.

    Args:
        word: The word as the caller or the prompt writes it.
        prompts: The changed prompts, at least one.
    """

    word: str
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class _Group:
    """Words that can be exchanged for each other.

    Args:
        concepts: For each concept its words, the usual one first.
        targets: For each concept the concepts that take its place, the best first.
    """

    concepts: tuple[tuple[str, ...], ...]
    targets: tuple[tuple[int, ...], ...]


def changes_of(request: Any) -> Sequence[WordChange]:
    """Return the changed prompts of a complete request that asks for an explanation by its words.

    Args:
        request: The request, with `prompt` and `explain`.
    """
    explain = request.explain
    words = explain.words or content_words(request.prompt)
    if not words:
        # A prompt of digits or signs alone is left out as a whole.
        return (WordChange(request.prompt.strip(), (" ",)),)
    return word_changes(request.prompt, words, explain.num_samples or 1)


def num_runs(changes: Sequence[WordChange]) -> int:
    """Return how many runs of a pipeline make the pictures of these prompts, each once."""
    return len({prompt for change in changes for prompt in change.prompts})


def word_changes(prompt: str, words: Sequence[str], most: int = 1) -> Sequence[WordChange]:
    """Return the changed prompts for words of a prompt. Every occurrence of a word is changed.

    Args:
        prompt: The prompt.
        words: The words; those that the prompt does not contain are skipped, and each counts once.
        most: Most prompts for each word, each with another exchange. A word that is left out has one.
    """
    once = {word.strip().casefold(): word.strip() for word in reversed(words)}
    changes = []
    for word in reversed(once.values()):
        if places := places_of(word, prompt):
            others = _exchanges(word, prompt)[:most]
            # A pipeline may leave an empty prompt out.
            prompts = [_exchanged(prompt, places, each) for each in others] or [
                _without(prompt, places) or " "
            ]
            changes.append(WordChange(word, tuple(prompts)))
    return changes


def _exchanges(word: str, prompt: str) -> list[str]:
    """Return the words that can take the place of a word, the best first; none if it is of no group."""
    if _IS_HAN.search(word):
        return _chinese_exchanges(word, prompt)
    head, hyphen, rest = word.partition("-")
    if hyphen and (found := _english_exchanges(word, prompt)):
        return found
    # red-haired
    return [f"{other}{hyphen}{rest}" for other in _english_exchanges(head, prompt)]


def _english_exchanges(word: str, prompt: str) -> list[str]:
    is_plural, concept = False, _concept(_english_groups(), word.lower())
    if concept is None and (singular := _singular(word.lower())) is not None:
        is_plural, concept = True, _concept(_english_groups(), singular)
    if concept is None:
        return []
    others = _names(*concept, {each.text.lower() for each in words_of(prompt)} - {word.lower()})
    return [_plural(other) if is_plural else other for other in others]


def _chinese_exchanges(word: str, prompt: str) -> list[str]:
    simple = _simplified(word)
    suffix = "色" if len(simple) > 1 and simple.endswith("色") else ""
    concept = _chinese_concept(simple.removesuffix(suffix), is_colour=bool(suffix))
    if concept is None:
        return []
    texts = {_simplified(each.text) for each in words_of(prompt)} - {simple}
    taken = texts | {each.removesuffix("色") for each in texts}
    # 米色 is a colour, 米 is rice.
    others = [f"{each}{suffix}" for each in _names(*concept, taken) if suffix or each != "米"]
    return [_traditional(each) if _simplified(prompt) != prompt else each for each in others]


def _chinese_concept(word: str, *, is_colour: bool) -> tuple[_Group, int] | None:
    colours, others = _chinese_groups()
    found = _concept(colours, word)
    # 深红 is a red, 天蓝 a blue: the last character says which.
    if found is None and is_colour:
        found = _concept(colours, word[-1:])
    return found if found is not None or is_colour else _concept(others, word)


def _concept(groups: Sequence[_Group], word: str) -> tuple[_Group, int] | None:
    for group in groups:
        for index, words in enumerate(group.concepts):
            if word in words and group.targets[index]:
                return group, index
    return None


def _names(group: _Group, concept: int, taken: set[str]) -> list[str]:
    """Return the usual words of other concepts, those first that the prompt does not have already."""
    targets = group.targets[concept]
    free = [each for each in targets if not taken & set(group.concepts[each])]
    return [group.concepts[each][0] for each in (*free, *(each for each in targets if each not in free))]


def _exchanged(prompt: str, places: Sequence[tuple[int, int]], other: str) -> str:
    for start, end in reversed(places):
        cased = _cased(other, prompt[start:end])
        prompt = _with_article(prompt[:start], cased) + cased + prompt[end:]
    return prompt


def _without(prompt: str, places: Sequence[tuple[int, int]]) -> str:
    for start, end in reversed(places):
        before, after = prompt[:start], prompt[end:]
        if _IS_HAN.search(prompt[start:end]):
            # 毛茸茸的小猫
            after = after.removeprefix("的")
        elif following := _FOLLOWING.match(after):
            before = _with_article(before, following[1])
        prompt = before + after
    return _tidied(prompt)


def _with_article(before: str, following: str) -> str:
    """Return the text before a word, whose article suits the word."""
    is_vowel = _VOWEL.match(following) and not _CONSONANT.match(following)

    def article(found: re.Match[str]) -> str:
        kept = found[1][0]
        return (
            kept
            + ("" if not is_vowel else "N" if found[1].isupper() and len(found[1]) > 1 else "n")
            + found[2]
        )

    return _ARTICLE.sub(article, before)


def _tidied(prompt: str) -> str:
    """Return a prompt without empty brackets, and without space and commas that a word left behind."""
    while (shorter := _EMPTY_BRACKETS.sub("", prompt)) != prompt:
        prompt = shorter
    prompt = re.sub(r"[ \t]{2,}", " ", prompt)
    prompt = re.sub(r"\s+(?=[,.;:!?)\]])", "", prompt)
    prompt = re.sub(r"(?<=[(\[])\s+", "", prompt)
    prompt = re.sub(r"([,，])(?:\s*[,，])+", r"\1", prompt)
    return prompt.strip().strip(",，").strip()


def _cased(other: str, word: str) -> str:
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other[:1].upper() + other[1:] if word[:1].isupper() else other


def _singular(word: str) -> str | None:
    for ending, instead in (
        ("ies", "y"),
        ("xes", "x"),
        ("sses", "ss"),
        ("shes", "sh"),
        ("ches", "ch"),
        ("s", ""),
    ):
        if word.endswith(ending) and not word.endswith("ss"):
            return word.removesuffix(ending) + instead
    return {"men": "man", "women": "woman"}.get(word)


def _plural(word: str) -> str:
    if word in ("man", "woman"):
        return word[:-2] + "en"
    if word.endswith(("s", "x", "sh", "ch")):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


def _simplified(text: str) -> str:
    return "".join(chinese_words.TRADITIONAL.get(each, each) for each in text)


def _traditional(text: str) -> str:
    by_simple = {simple: each for each, simple in chinese_words.TRADITIONAL.items()}
    return "".join(by_simple.get(each, each) for each in text)


def _by_distance(colours: Sequence[tuple[int, int, int]], most: int) -> tuple[tuple[int, ...], ...]:
    """Return for each colour the indices of the first `most` others, the least similar first."""
    return tuple(
        tuple(
            sorted(
                (other for other in range(min(most, len(colours))) if other != own),
                key=lambda other: -math.dist(colours[own], colours[other]),
            )
        )
        for own in range(len(colours))
    )


def _in_turn(number: int) -> tuple[tuple[int, ...], ...]:
    """Return for each concept the others, beginning with the next one."""
    return tuple(tuple(each % number for each in range(own + 1, own + number)) for own in range(number))


def _split(concepts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(each.split()) for each in concepts)


def _colour_groups(colours: Sequence[str], neutral: Sequence[str]) -> list[_Group]:
    return [
        _Group(_split(colours), _by_distance(_COLOUR_VALUES, _NUM_COLOURS)),
        _Group(_split(neutral), _by_distance(_NEUTRAL_VALUES, len(_NEUTRAL_VALUES))),
    ]


def _other_groups(
    shapes: Sequence[str], opposites: Sequence[tuple[str, str]], others: Sequence[tuple[str, ...]]
) -> list[_Group]:
    by_area = tuple(tuple(each for each in _SHAPES_BY_AREA if each != own) for own in range(len(shapes)))
    groups = [_Group(_split(shapes), by_area)]
    # The second word of a pair goes back to the first, unless a pair of its own says otherwise.
    for first, second in opposites:
        groups.append(_Group(_split((first, second)), ((1,), ())))
    for first, second in opposites:
        groups.append(_Group(_split((first, second)), ((), (0,))))
    groups += [_Group(_split(each), _in_turn(len(each))) for each in others]
    return groups


@cache
def _english_groups() -> list[_Group]:
    words = english_words
    return [
        *_colour_groups(words.COLOURS, words.NEUTRAL_COLOURS),
        *_other_groups(words.SHAPES, words.OPPOSITES, words.OTHERS),
    ]


@cache
def _chinese_groups() -> tuple[list[_Group], list[_Group]]:
    words = chinese_words
    colours = _colour_groups(words.COLOURS, words.NEUTRAL_COLOURS)
    return colours, _other_groups(words.SHAPES, words.OPPOSITES, words.OTHERS)
