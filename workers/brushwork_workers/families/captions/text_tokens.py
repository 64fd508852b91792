"""The words of a text that a model has written, and the tokens that each of them consists of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brushwork_schemas.kinds.explanations.content_words import places_of, word_spans

_INCOMPLETE = "\ufffd"
"""What tokenizers decode the first bytes of a character to."""


@dataclass(frozen=True)
class TextTokens:
    """A text and the place of each of its tokens.

    Args:
        text: The text.
        start: Where the part begins that the model has added, in characters.
        anchors: For each added token one character that belongs to it; None for a token that shows nothing,
            such as the end of the text.
    """

    text: str
    start: int
    anchors: Sequence[int | None]

    @classmethod
    def of(
        cls,
        text: str,
        decode: Callable[[int], str],
        is_shown: Sequence[bool],
    ) -> "TextTokens":
        """Find the tokens in a text that was decoded from them.

        Args:
            text: The decoded text.
            decode: Decodes the text up to the given number of added tokens.
            is_shown: For each added token whether it belongs to the text.
        """
        ends = [_shared(text, decode(0))]
        for number in range(1, len(is_shown) + 1):
            ends.append(max(ends[-1], _shared(text, decode(number))))
        anchors: list[int | None] = [None] * len(is_shown)
        after: int | None = None
        # Backwards, since a token without a character of its own belongs to the character that follows: it is
        # the first byte of it, or the space in front of it.
        for index in reversed(range(len(is_shown))):
            if is_shown[index]:
                after = _anchor(text, ends[index], ends[index + 1], after)
                anchors[index] = after
        last = max((anchor for anchor in anchors if anchor is not None), default=None)
        shown = [
            last if anchor is None and is_shown[index] else anchor for index, anchor in enumerate(anchors)
        ]
        return cls(text, ends[0], shown)

    @property
    def added(self) -> str:
        """The part of the text that the model has added."""
        return self.text[self.start :]

    def words(self) -> Sequence["WordTokens"]:
        """Return all words of the added part in their order, punctuation marks apart.

        A word whose letters all belong to a token of its neighbour is joined to that: to the word before it,
        or to the word after it at the beginning.
        """
        found: list[WordTokens] = []
        begin: int | None = None
        for first, last in word_spans(self.text):
            if last <= self.start:
                continue
            if tokens := self.tokens_within(first, last):
                found.append(WordTokens(first if begin is None else begin, last, tokens))
                begin = None
            elif found:
                found[-1] = WordTokens(found[-1].first, last, found[-1].tokens)
            elif begin is None:
                begin = first
        return found

    def tokens_within(self, first: int, last: int) -> Sequence[int]:
        """Return the indices of the added tokens of a part of the text: from character `first` to `last`."""
        return [
            index
            for index, anchor in enumerate(self.anchors)
            if anchor is not None and first <= anchor < last
        ]

    def tokens_of(self, word: str) -> Sequence[int]:
        """Return the indices of the added tokens of a word, of all the places where the text has it."""
        places = places_of(word, self.text)
        return [index for first, last in places for index in self.tokens_within(first, last)]


@dataclass(frozen=True)
class WordTokens:
    """A word of a text: from character `first` to `last`, and the indices of its tokens."""

    first: int
    last: int
    tokens: Sequence[int]


def _shared(text: str, beginning: str) -> int:
    """Return how many characters of a text are those of its decoded beginning."""
    whole = beginning.rstrip(_INCOMPLETE)
    pairs = zip(text, whole, strict=False)
    return next(
        (index for index, (one, other) in enumerate(pairs) if one != other), min(len(text), len(whole))
    )


def _anchor(text: str, first: int, last: int, after: int | None) -> int | None:
    """Return the middle one of the characters of a token that are no spaces, or else `after`."""
    visible = [index for index in range(first, last) if not text[index].isspace()]
    return visible[(len(visible) - 1) // 2] if visible else after
