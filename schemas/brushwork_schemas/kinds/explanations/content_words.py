"""The content words of a prompt or a caption: those that name something one can see."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from brushwork_schemas.kinds.explanations import chinese_words, english_words

MOST_WORDS = 16
HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_LETTER = rf"[^\W\d_{HAN}]"
_PART = re.compile(
    # OmniGen names its pictures like this. Other words in angle brackets are learned words.
    r"(?P<mark><img>.*?</img>)"
    r"|(?P<learned><[^<>\s|:]+>)"
    r"|(?P<break>(?:^|(?<=\s))BREAK(?=\s|$))"
    rf"|(?P<han>[{HAN}0-9]*[{HAN}])"
    rf"|(?P<word>{_LETTER}(?:(?:[\w'’-](?<![{HAN}]))*[^\W_{HAN}])?)"
    r"|(?P<end>[.;:!?\n])",
    re.DOTALL,
)
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
_REST = re.compile(r"['’]s\b|\w+|[^\w\s]")
_COLOUR = re.compile(
    rf"[{chinese_words.COLOUR_PREFIXES}]?(?:[{chinese_words.COLOUR_CHARACTERS}]|咖啡|米|玫瑰)色"
)
_NUMBER = re.compile(rf"[{chinese_words.NUMBERS}]+[{chinese_words.MEASURES}]")
_ONE = re.compile(rf"[一1][{chinese_words.MEASURES}]")
_VERB = re.compile(rf"[{chinese_words.VERBS}](?=[着著在])")
_ATTRIBUTE = re.compile(rf"[{chinese_words.COLOUR_CHARACTERS}{chinese_words.SIZE_CHARACTERS}]")
_LONGEST = max(map(len, chinese_words.TOGETHER | chinese_words.FUNCTION_WORDS))


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Args:
        text: The word as it is written.
        start: Index of its first character.
        is_content: Whether it names something one can see.
    """

    text: str
    start: int
    is_content: bool

    @property
    def end(self) -> int:
        """Index of the first character after it."""
        return self.start + len(self.text)


def words_of(text: str) -> Sequence[Word]:
    """Return the words of a text in their order, without marks, numbers in digits and punctuation.

    Args:
        text: A prompt or a caption, in English or Chinese or both.
    """
    found: list[Word] = []
    begins = True
    parts = list(_PART.finditer(text))
    for index, part in enumerate(parts):
        if part["han"]:
            found += _chinese(part["han"], part.start())
        elif part["learned"]:
            found.append(Word(part["learned"], part.start(), is_content=True))
        elif part["word"]:
            word = _POSSESSIVE.sub("", part["word"]) or part["word"]
            following = parts[index + 1]["word"] if index + 1 < len(parts) else None
            is_content = not _is_function(part["word"]) and not _is_function(word)
            is_content = is_content and not (begins and _is_instruction(word, following))
            found.append(Word(word, part.start(), is_content))
        if not part["mark"]:
            begins = bool(part["end"]) or (part["word"] or "").lower() in ("and", "then", "please")
    return found


def content_words(text: str) -> Sequence[str]:
    """Return the content words of a text in their order, each once, at most `MOST_WORDS`.

    Args:
        text: A prompt or a caption.
    """
    return all_content_words(text)[:MOST_WORDS]


def all_content_words(text: str) -> Sequence[str]:
    """Return all content words of a text in their order, each once; case makes no difference."""
    found: dict[str, str] = {}
    for word in words_of(text):
        if word.is_content:
            found.setdefault(word.text.casefold(), word.text)
    return list(found.values())


def places_of(word: str, text: str) -> Sequence[tuple[int, int]]:
    """Return where a word occurs in a text: indices of its first character, and of the one after it.

    Words of the text that are equal to it come first: 大 is not a part of 大象 if it also stands alone.

    Args:
        word: A word, or several in a row. Case makes no difference, nor how much space is between them.
        text: The text.
    """
    wanted = word.strip().casefold()
    if own := [(each.start, each.end) for each in words_of(text) if each.text.casefold() == wanted]:
        return own
    pattern = r"\s+".join(map(re.escape, word.split()))
    before = rf"(?<![^\W{HAN}])" if re.match(rf"[^\W{HAN}]", word.strip()) else ""
    after = rf"(?![^\W{HAN}])" if re.search(rf"[^\W{HAN}]$", word.strip()) else ""
    return [found.span() for found in re.finditer(before + pattern + after, text, re.IGNORECASE)]


def word_spans(text: str) -> Sequence[tuple[int, int]]:
    """Return where the words of a text begin and end: all of them, and each punctuation mark by itself.

    Args:
        text: A text, in English or Chinese or both.
    """
    spans: list[tuple[int, int]] = []
    at = 0
    for start, end in [*((each.start, each.end) for each in words_of(text)), (len(text), len(text))]:
        spans += [found.span() for found in _REST.finditer(text, at, start)]
        spans += [(start, end)] if end > start else []
        at = end
    return spans


def _is_function(word: str) -> bool:
    return word.lower().replace("’", "'") in english_words.FUNCTION_WORDS


def _is_instruction(word: str, following: str | None) -> bool:
    if word.lower() in english_words.INSTRUCTIONS:
        return True
    is_followed = (following or "").lower() in english_words.AFTER_INSTRUCTION
    return is_followed and word.lower() in english_words.UNCLEAR_INSTRUCTIONS


def _chinese(text: str, start: int) -> Iterator[Word]:
    """Yield the words of Chinese characters without a break."""
    unknown = at = 0
    while at < len(text):
        found = _known(text, at, begins=unknown == at)
        if found is None:
            at += 1
            continue
        length, is_content = found
        yield from _unknown(text[unknown:at], start + unknown)
        yield Word(text[at : at + length], start + at, is_content)
        at = unknown = at + length
    yield from _unknown(text[unknown:], start + unknown)


def _unknown(text: str, start: int) -> Iterator[Word]:
    if text and not text.isdecimal():
        yield Word(text, start, is_content=True)


def _known(text: str, at: int, *, begins: bool) -> tuple[int, bool] | None:
    """Return length and sort of the longest known word at a place; None if there is none.

    Args:
        text: The characters.
        at: The place.
        begins: Whether no unknown character is before it.
    """
    found: list[tuple[int, bool]] = []
    for pattern, is_content in ((_COLOUR, True), (_NUMBER, True), (_ONE, False), (_VERB, True)):
        if match := pattern.match(text, at):
            found.append((len(match.group()), is_content))
    for length in range(min(_LONGEST, len(text) - at), 0, -1):
        part = text[at : at + length]
        if part in chinese_words.TOGETHER:
            found.append((length, True))
        if part in chinese_words.FUNCTION_WORDS:
            found.append((length, False))
    if begins and _ATTRIBUTE.match(text, at):
        found.append((1, True))
    # Of equally long ones, 一只 is no number.
    return max(found, key=lambda each: (each[0], not each[1]), default=None)
