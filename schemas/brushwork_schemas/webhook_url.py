"""Check the address of a webhook."""

import re
from urllib.parse import urlsplit

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
