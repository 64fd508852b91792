"""Where a job's end is to be told: which addresses can be one, and whose they are."""

import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

LONGEST_URL = 2000
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]+")


def checked_url(url: str) -> str:
    """`url`, if an event can be sent there; where its name leads to is found out only then.

    Raises:
        ValueError: It can't, and why.
    """
    if len(url) > LONGEST_URL:
        raise ValueError(f"it has more than {LONGEST_URL} characters")
    if not _PRINTABLE.fullmatch(url):
        raise ValueError("an address is of ASCII letters and signs, without spaces")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("it starts with neither https:// nor http://")
    _check_place(url)
    return url


def _check_place(url: str) -> None:
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError:
        raise ValueError("its host or port can't be read") from None
    if "@" in address.netloc:
        raise ValueError("it may hold no user name and password")
    if not _HOST.fullmatch(address.hostname or ""):
        raise ValueError("it names no host; an international name is written as xn--")
    if port == 0:
        raise ValueError("nobody listens on port 0")


class receiver_of(FunctionElement[str]):  # noqa: N801 - reads as the SQL function it is
    """Scheme, host and port of an address in a column: who is told there, whatever the path."""

    type = String()
    inherit_cache = True

    def __init__(self, url: ColumnElement[str]) -> None:
        super().__init__(url)


# The shorter scheme's host begins at the eighth character, so no host's end lies before the ninth.
_REST = "replace(replace(substr({url}, 9), '?', '/'), '#', '/') || '/'"
_ORIGIN = f"lower(substr({{url}}, 1, 7 + {{position}}({_REST}, '/')))"


@compiles(receiver_of, "sqlite")
def _sqlite_receiver(element: Any, compiler: Any, **options: Any) -> str:
    return _ORIGIN.format(url=compiler.process(element.clauses, **options), position="instr")


@compiles(receiver_of, "postgresql")
def _postgresql_receiver(element: Any, compiler: Any, **options: Any) -> str:
    return _ORIGIN.format(url=compiler.process(element.clauses, **options), position="strpos")
