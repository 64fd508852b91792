"""Finds words and patterns in texts, in time that grows linearly with the text.

Python's `re` needs exponential time for some patterns, and a pattern comes from a person who may not know
that. RE2 does not backtrack, so no pattern can hang a gateway or a worker.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Protocol

import re2
from brushwork_schemas.wording.phrase import said

from brushwork_core.policies.word_index import WordIndex

# Memory of one compiled expression, in bytes.
MAX_MEMORY = 32 * 2**20
_SPACES = re.compile(r"\s+")


class _Pattern(Protocol):
    """A compiled expression of RE2."""

    def search(self, text: str) -> object:
        """Return a match, or None."""


def normalized(text: str) -> str:
    """Return a text in the form in which texts are compared.

    Full-width and other compatibility characters become the usual ones (NFKC), case is folded, invisible
    characters are removed, and any white space becomes one space. Between characters of scripts that are
    written without spaces, white space is removed.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # U+0307 is what remains of the Turkish dotted capital I.
    visible = "".join(char for char in folded.replace("i\u0307", "i") if unicodedata.category(char) != "Cf")
    return str(_INNER_SPACES.sub("", _SPACES.sub(" ", visible).strip()))


def compiled(pattern: str) -> _Pattern:
    """Compile a pattern in RE2's syntax. It is compared with normalized texts, without regard to case.

    Raises:
        ValueError: RE2 cannot read it, or it needs too much memory.
    """
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        found: _Pattern = re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(said("is not a pattern of RE2: {reason}", reason=text)) from None
    return found


class TextMatcher:
    """A list of words and patterns.

    Args:
        words: Words and phrases. They match whole words, whatever the case. In scripts that are written
            without spaces, such as Chinese, they match anywhere.
        patterns: Patterns in RE2's syntax.

    Raises:
        ValueError: A word is empty, or a pattern cannot be read.
    """

    def __init__(self, words: Sequence[str] = (), patterns: Sequence[str] = ()) -> None:
        self._words = WordIndex(_ready(words))
        self._patterns = [compiled(pattern) for pattern in patterns]

    def finds(self, text: str) -> bool:
        """Return whether the text contains one of the words or matches one of the patterns."""
        prepared = normalized(text)
        return self._words.finds(prepared) or any(
            pattern.search(prepared) is not None for pattern in self._patterns
        )


def _ready(words: Sequence[str]) -> list[str]:
    found = sorted({normalized(word) for word in words})
    if "" in found:
        raise ValueError("must not be blank")
    return found


# RE2 has no look-around: the character behind the space is found by a class of Python's `re`.
_RANGES = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf"
    "\u4e00-\u9fff\ua000-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff"
)
_INNER_SPACES = re.compile(rf"(?<=[{_RANGES}]) (?=[{_RANGES}])")
