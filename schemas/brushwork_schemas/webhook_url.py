"""Check the address of a webhook."""

import re
from urllib.parse import urlsplit

LONGEST_URL = 2000
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]+")


def checked_url(url: str) -> str:
    """Return `url` if it is a valid address of a webhook. Its host is resolved only when an event is sent.

    Raises:
        ValueError: The address is not valid. The message says why.
    """
    if len(url) > LONGEST_URL:
        raise ValueError(f"must have at most {LONGEST_URL} characters")
    if not _PRINTABLE.fullmatch(url):
        raise ValueError("must consist of printable ASCII characters without spaces")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("must start with https:// or http://")
    _check_place(url)
    return url


def _check_place(url: str) -> None:
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError:
        raise ValueError("has an invalid host or port") from None
    if "@" in address.netloc:
        raise ValueError("must not contain a user name or password")
    if not _HOST.fullmatch(address.hostname or ""):
        raise ValueError("has no valid host; write an international domain name in its xn-- form")
    if port == 0:
        raise ValueError("must not use port 0")
