"""The content words of a prompt or a caption: those that name something one can see."""

import re
from collections.abc import Sequence

_FUNCTION_WORDS = frozenset(
    [
        *("a", "an", "the", "of", "on", "in", "at", "by", "to", "from", "with", "without", "and", "or"),
        *("is", "are", "be", "as", "for", "into", "over", "under", "its", "it", "this", "that"),
    ]
)
_WORD = re.compile(r"[^\W\d_](?:[\w'-]*\w)?")
MOST_WORDS = 16


def content_words(text: str) -> Sequence[str]:
    """Return the content words of a text in their order, each once, at most `MOST_WORDS`.

    Args:
        text: A prompt or a caption.
    """
    found = (word for word in _WORD.findall(text) if word.lower() not in _FUNCTION_WORDS)
    return list(dict.fromkeys(found))[:MOST_WORDS]
