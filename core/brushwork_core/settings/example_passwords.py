"""Refuses the password that stands in `.env.example` until the operator has chosen another."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from brushwork_schemas.wording.phrase import said

# `change-me`, in any spelling: without signs, in lower case.
EXAMPLE = "changeme"
SECRET_PREFIX = "whsec_"  # noqa: S105 - the first characters of every secret of webhooks
_SIGN = re.compile(r"[\W_]")


def expect_changed_address(url: str) -> None:
    """Check the passwords of an address, or of several addresses with `;` between them.

    Raises:
        ValueError: One of them is the password of the example.
    """
    for password in _passwords(url):
        _expect_changed(password)


def expect_changed_secrets(secrets: str) -> None:
    """Check secrets of webhooks, with spaces between them.

    Raises:
        ValueError: One of them is the password of the example.
    """
    for each in secrets.split():
        _expect_changed(each.removeprefix(SECRET_PREFIX))


def _expect_changed(password: str) -> None:
    if _SIGN.sub("", password).casefold() == EXAMPLE:
        raise ValueError(said("still has the password of the example; set one of your own"))


def _passwords(url: str) -> Iterator[str]:
    for address in url.split(";"):
        try:
            parts = urlsplit(address)
        # What opens the address says what is wrong with it.
        except ValueError:
            continue
        yield unquote(parts.password or "")
        yield from (value for name, value in parse_qsl(parts.query) if name == "password")
