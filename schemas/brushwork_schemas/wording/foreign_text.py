"""Foreign text in logs, errors and terminals: its length is bounded, and no character acts on what shows it.

Foreign text is whatever a caller or another program wrote: prompts, labels, file names, task ids, the texts
of exceptions. It may hold escape codes of terminals, line breaks that forge a line of a log, and marks that
turn the direction of writing.
"""

import re
from collections.abc import Mapping
from typing import Any, overload

from brushwork_schemas.wording.phrase import Phrase, Private

# Control characters, line and paragraph separators, marks and overrides of direction, invisible characters
# without a use in words, tags, and halves of characters. The joiners U+200C and U+200D are parts of words and
# emoji.
_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
_ACTING = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_DIRECTION}{_INVISIBLE}\ud800-\udfff]")
# As above, without what JSON escapes itself.
_ACTING_IN_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029{_DIRECTION}{_INVISIBLE}\ud800-\udfff]")
LONGEST_MESSAGE, LONGEST_FIELD = 2000, 200
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def acting_characters(text: str) -> list[int]:
    """Return the places of the characters that `visible` escapes."""
    return [found.start() for found in _ACTING.finditer(text)]


def visible(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return a text in one line of bounded length, in which control and direction characters are escaped.

    Args:
        text: The text.
        longest: Most characters of the text that are kept. If it is longer, its length follows.
    """
    number = len(text)
    if number > longest:
        return f"{_ACTING.sub(_escaped, text[:longest])}… ({number:,} characters)"
    return _ACTING.sub(_escaped, text)


def visible_lines(text: str, longest: int) -> str:
    """Return a text like `visible`, with its line breaks. If it is too long, its middle is left out."""
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]}\n… ({len(text):,} characters)\n{text[-half:]}"
    return "\n".join(_ACTING.sub(_escaped, line) for line in text.split("\n"))


def json_visible(json_text: str) -> str:
    """Return JSON that means the same, in which the characters that JSON may hold raw are escaped, too."""
    return _ACTING_IN_JSON.sub(_json_escaped, json_text)


@overload
def visible_phrase(text: str, longest: int = ...) -> str: ...
@overload
def visible_phrase(text: None, longest: int = ...) -> None: ...
def visible_phrase(text: str | None, longest: int = LONGEST_MESSAGE) -> str | None:
    """Return a text of an error like `visible`; a `Phrase` stays one, with its parameters made visible."""
    if text is None or (len(text) <= longest and not _ACTING.search(text)):
        return text
    if isinstance(text, Phrase):
        parameters = {name: _visible_value(value) for name, value in text.parameters.items()}
        return Phrase(visible(text, longest), text.template, parameters)
    if isinstance(text, Private):
        return Private(visible(text, longest), text.instead)
    return visible(str(text), longest)


def _visible_value(value: Any) -> Any:
    if isinstance(value, str):
        return visible_phrase(value)
    if isinstance(value, tuple):
        return tuple(_visible_value(each) for each in value[:100])
    if isinstance(value, Mapping):
        return {name: _visible_value(each) for name, each in value.items()}
    return value


def escaped(character: str) -> str:
    r"""Return a character as it is escaped, such as `\x1b`, `\u202e` or `\n`."""
    number = ord(character)
    long = f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
    return _SHORT.get(character) or (f"\\x{number:02x}" if number <= 0xFF else long)


def _escaped(found: re.Match[str]) -> str:
    return escaped(found[0])


def _json_escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number <= 0xFFFF:
        return f"\\u{number:04x}"
    # JSON writes a character beyond U+FFFF as two halves.
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
