r"""Weights in a prompt, as A1111's web UI and ComfyUI write them.

`(word:1.3)` has the weight 1.3, `(word)` 1.1, and `[word]` 1 / 1.1. Brackets may be nested; their weights are
multiplied. `BREAK` begins a new chunk of the text encoder. A backslash makes a bracket plain text: `\(`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.wording.phrase import said

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Catalogue, Model

ROUND, SQUARE = 1.1, 1 / 1.1
MAX_WEIGHT = 4.0
# Each weight below 1 costs a call of the text encoder.
MAX_WEIGHTED = 64
FIELDS = ("prompt", "negative_prompt")
_TOKEN = re.compile(
    r"\\(?P<plain>[()\[\]\\])"
    r"|:\s*(?P<weight>[+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*\)"
    r"|(?P<bracket>[()\[\]])"
    r"|(?:^|(?<=\s))(?P<break>BREAK)(?=\s|$)"
    r"|(?P<text>\s+|[^\s\\()\[\]:]+|.)",
    re.DOTALL,
)
_LOOKS_WEIGHTED = re.compile(r"\([^()\[\]]*:\s*\d*\.?\d+\s*\)|(?:^|\s)BREAK(?:\s|$)")


@dataclass(frozen=True)
class Fragment:
    """A part of a prompt with one weight.

    Args:
        text: The text, without brackets.
        weight: Its weight; 1 for text without one.
    """

    text: str
    weight: float = 1.0


Chunks = tuple[tuple[Fragment, ...], ...]
"""The fragments of a prompt, between its breaks. Each chunk has at least one fragment, which may be empty."""


def parsed(prompt: str) -> Chunks:
    """Return the fragments of a prompt. A bracket that is never closed holds up to the end of its chunk.

    A bracket that was never opened is plain text.

    Args:
        prompt: The prompt.
    """
    chunks, current = list[tuple[Fragment, ...]](), _Chunk()
    for found in _TOKEN.finditer(prompt):
        if found["break"] is not None:
            chunks.append(current.fragments())
            current = _Chunk()
        elif found["weight"] is not None:
            current.closed(")", found.group(), float(found["weight"]))
        elif (bracket := found["bracket"]) is not None and bracket in "([":
            current.opened(bracket)
        elif bracket is not None:
            current.closed(bracket, bracket, ROUND if bracket == ")" else SQUARE)
        else:
            current.parts.append(Fragment(found["plain"] or found["text"]))
    return (*chunks, current.fragments())


def is_weighted(chunks: Chunks) -> bool:
    """Return whether a prompt has a weight or a break."""
    return len(chunks) > 1 or any(each.weight != 1 for each in chunks[0])


def plain_text(chunks: Chunks) -> str:
    """Return a prompt without brackets, weights and breaks."""
    return " ".join("".join(each.text for each in chunk) for chunk in chunks).strip()


def looks_weighted(prompt: str) -> bool:
    """Return whether a prompt that is read as plain text seems to have weights, or BREAK."""
    return _LOOKS_WEIGHTED.search(prompt) is not None


def check_prompt_weights(request: Any, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse weights that a text encoder makes nothing of.

    Raises:
        InvalidRequest: A weight is negative or too large, or there are too many.
    """
    if not request.prompt_weighting:
        return
    wrong = Refusals()
    for field in FIELDS:
        with wrong.noted():
            _check(field, parsed(getattr(request, field)))
    wrong.raise_any()


def _check(field: str, chunks: Chunks) -> None:
    weights = [each.weight for chunk in chunks for each in chunk if each.weight != 1]
    for weight in weights:
        if not 0 <= weight <= MAX_WEIGHT:
            raise InvalidRequest(
                said("{field}: a part has the weight {weight:g}.", field=field, weight=weight),
                field=field,
                hint=said(
                    "Use weights from 0 to {most:g}; those of nested brackets are multiplied.",
                    most=MAX_WEIGHT,
                ),
            )
    if len(weights) > MAX_WEIGHTED:
        raise InvalidRequest(
            said("{field}: {number} parts have a weight.", field=field, number=len(weights)),
            field=field,
            hint=said("Give at most {most} parts a weight.", most=MAX_WEIGHTED),
        )
    if len(chunks) > MAX_WEIGHTED:
        raise InvalidRequest(
            said("{field}: BREAK occurs {number} times.", field=field, number=len(chunks) - 1),
            field=field,
            hint=said("Use it less than {most} times.", most=MAX_WEIGHTED),
        )


class _Chunk:
    """The text between two breaks, while it is read."""

    def __init__(self) -> None:
        self.parts: list[Fragment] = []
        self._open: list[tuple[str, int]] = []

    def opened(self, bracket: str) -> None:
        self._open.append((bracket, len(self.parts)))

    def closed(self, bracket: str, written: str, factor: float) -> None:
        """Give the text since the last bracket of this sort a weight; without one, it is plain text."""
        opening = "(" if bracket == ")" else "["
        if not self._open or self._open[-1][0] != opening:
            self.parts.append(Fragment(written))
            return
        self._weigh(self._open.pop()[1], factor)

    def fragments(self) -> tuple[Fragment, ...]:
        """Return the fragments. Neighbours of one weight are joined."""
        while self._open:
            bracket, start = self._open.pop()
            self._weigh(start, ROUND if bracket == "(" else SQUARE)
        joined: list[Fragment] = []
        for part in self.parts:
            if joined and joined[-1].weight == part.weight:
                joined[-1] = Fragment(joined[-1].text + part.text, part.weight)
            else:
                joined.append(part)
        return tuple(joined) or (Fragment(""),)

    def _weigh(self, start: int, factor: float) -> None:
        self.parts[start:] = [Fragment(part.text, part.weight * factor) for part in self.parts[start:]]


def written_weights(fragments: Sequence[Fragment]) -> list[tuple[str, float]]:
    """Return text and weight of fragments that hold more than space."""
    return [(each.text.strip(), each.weight) for each in fragments if each.text.strip()]
