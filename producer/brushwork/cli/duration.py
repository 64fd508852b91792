"""Lengths of time as people write them on a command line."""

import re

from brushwork_schemas.errors import InvalidRequest

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")


def seconds(text: str, option: str) -> float:
    """A length of time in seconds.

    Raises:
        InvalidRequest: It is none.
    """
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise InvalidRequest(
            f"{option}: {text!r} is no length of time.", field=option, hint="Write 30d, 12h or 90min."
        )
    return float(found[1]) * _SECONDS[found[2]]
