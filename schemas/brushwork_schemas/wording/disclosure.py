"""What callers may read of an error: no address, no path and no text of another program.

An error names them as `phrase.private` values. They stay in the log, in the ledger and in what `brushwork`
shows on the operator's machine. Answers, event streams, pages and webhooks go through `for_caller`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from brushwork_schemas.wording.phrase import Phrase, Private, said

_IS_OPERATOR: ContextVar[bool] = ContextVar("brushwork_reader_is_operator", default=False)
HIDDEN = "(hidden)"
# For texts that a plug-in or an older version made without `private`: addresses of any scheme, IP addresses
# with their ports, and absolute paths but those of the gateway.
_PLACES = re.compile(
    r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>)]+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?"
    r"|(?<![\w:.])\[?(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}\]?(?![\w:])"
    r"|(?<![\w/.])/(?!v1/)[\w.@+~-]+(?:/[\w.@+~-]*)+"
    r"|\b[A-Za-z]:\\[^\s'\"]+"
)


def for_caller(text: str, *, is_own: bool = False) -> str:
    """Return a text of an error as callers may read it.

    Args:
        text: A text that `phrase.said` made, or a plain text.
        is_own: Whether the error is about the caller's own request, whose addresses and paths it may quote.
            Then only private values are hidden.
    """
    if not isinstance(text, Phrase):
        return text if is_own else _PLACES.sub(HIDDEN, text)
    parameters = {name: _shown(value, is_own) for name, value in text.parameters.items()}
    if not is_private(text) and parameters == dict(text.parameters):
        return text
    try:
        return said(text.template, **parameters)
    except (LookupError, ValueError, AttributeError):
        # A stored text of another version may have other parameters.
        return _PLACES.sub(HIDDEN, str(text))


def for_reader(text: str, *, is_own: bool = False) -> str:
    """Return a text of an error as the reader of this request may read it: an operator reads all of it."""
    return text if reader_is_operator() else for_caller(text, is_own=is_own)


def is_private(value: Any) -> bool:
    """Return whether a text, or a parameter of one, contains something that callers must not read."""
    if isinstance(value, tuple):
        return any(map(is_private, value))
    if isinstance(value, Phrase):
        return any(map(is_private, value.parameters.values()))
    return isinstance(value, Private)


def reader_is_operator() -> bool:
    """Return whether the request that is answered has an admin key, whose holder reads everything."""
    return _IS_OPERATOR.get()


def note_reader(*, is_operator: bool) -> None:
    """Note for the rest of this request whether its reader is an operator."""
    _IS_OPERATOR.set(is_operator)


@contextmanager
def new_reader() -> Iterator[None]:
    """Let the reader be nobody known inside of the `with` block, which handles one request."""
    token = _IS_OPERATOR.set(False)
    try:
        yield
    finally:
        _IS_OPERATOR.reset(token)


def _shown(value: Any, is_own: bool) -> Any:
    if isinstance(value, tuple):
        return tuple(_shown(each, is_own) for each in value)
    if isinstance(value, Private):
        return value.instead
    if isinstance(value, str):
        return for_caller(value, is_own=is_own)
    return value
