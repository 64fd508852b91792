"""Explanations, prepared for the template `explanation.html`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.explanations.meaning import MEANING, METHOD_NAMES
from brushwork_schemas.kinds.explanations.result import Explanation, ExplanationMap
from brushwork_schemas.kinds.view import Cell, Explained, Localized

# Scripts that are written without spaces, and marks that follow a word without one.
_CLOSE_AFTER = re.compile(r"[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef(\[“‘-]$|^$")
_CLOSE_BEFORE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef.,;:!?)\]”’%'-]")


@dataclass(frozen=True)
class ShownMap:
    """A map with the picture under it.

    Args:
        found: The map.
        picture: The picture under it; None if it is not known.
    """

    found: ExplanationMap
    picture: Artifact | None

    @property
    def is_empty(self) -> bool:
        """Whether the map has one value everywhere."""
        return self.found.min == self.found.max


@dataclass(frozen=True)
class ShownWord:
    """A part of a text.

    Args:
        text: The part, with spaces before it.
        number: Number of the map that is about it, counted from 1; None if there is none.
        share: Its probability, 0 to 1; None if it is not known.
    """

    text: str
    number: int | None = None
    share: float | None = None


@dataclass(frozen=True)
class ShownExplanation:
    """An explanation and what a template needs to render it.

    Args:
        block: The explanation as its kind presents it.
        maps: Its maps.
    """

    block: Explained
    maps: Sequence[ShownMap]

    @classmethod
    def of(cls, block: Explained, candidates: Sequence[Artifact]) -> "ShownExplanation":
        """Prepare an explanation.

        Args:
            block: The explanation.
            candidates: Pictures that maps without a picture of their own may be about. The first of the
                map's size is taken.
        """
        own = [*block.pictures, *[None] * len(block.explanation.maps)]
        maps = [
            ShownMap(found, picture or _under(found, candidates))
            for found, picture in zip(block.explanation.maps, own, strict=False)
        ]
        return cls(block, maps)

    @property
    def explanation(self) -> Explanation:
        """What the explanation says."""
        return self.block.explanation

    @property
    def method(self) -> Cell:
        """Name of the method. A newer version may know other methods."""
        names = {str(method): name for method, name in METHOD_NAMES.items()}
        return names.get(self.explanation.method, self.explanation.method)

    @property
    def meaning(self) -> Localized | None:
        """What the maps mean, and what they do not mean."""
        return {str(method): text for method, text in MEANING.items()}.get(self.explanation.method)

    @property
    def words(self) -> Sequence[ShownWord]:
        """The words of the text, some of which have maps; empty if there is no text."""
        if self.explanation.tokens:
            return list(self._tokens())
        return list(self._parts_of(self.block.text)) if self.block.text and self.maps else []

    def _tokens(self) -> Iterator[ShownWord]:
        numbers = self._numbers()
        before = ""
        for token in self.explanation.tokens:
            text = token.text.strip()
            gap = "" if _CLOSE_AFTER.search(before) or _CLOSE_BEFORE.match(text) else " "
            yield ShownWord(gap + text, numbers.get(text.casefold()), exp(token.logprob))
            before = text

    def _parts_of(self, text: str) -> Iterator[ShownWord]:
        numbers = self._numbers()
        labels = sorted(filter(None, numbers), key=len, reverse=True)
        # A Latin word is no part of another one.
        whole = (rf"(?<![a-z]){re.escape(each)}(?![a-z])" for each in labels)
        found = re.compile("|".join(whole), re.IGNORECASE)
        place = 0
        for match in found.finditer(text) if labels else ():
            if match.start() > place:
                yield ShownWord(text[place : match.start()])
            yield ShownWord(match[0], numbers.get(match[0].casefold()))
            place = match.end()
        if place < len(text):
            yield ShownWord(text[place:])

    def _numbers(self) -> dict[str, int]:
        labels = [each.label.strip().casefold() for each in self.explanation.maps]
        return {label: labels.index(label) + 1 for label in labels}


def _under(found: ExplanationMap, candidates: Sequence[Artifact]) -> Artifact | None:
    if found.pair is not None:
        return found.pair[0]
    size = (found.overlay.width, found.overlay.height)
    return next((each for each in candidates if (each.width, each.height) == size), None)
