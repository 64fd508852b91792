"""Durations on a command line, such as `30d`."""

import re

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")


def seconds(text: str, option: str) -> float:
    """Return a duration in seconds.

    Args:
        text: A number with a unit: s, min, h, d or w.
        option: Name of the option, for the error.

    Raises:
        InvalidRequest: The text is not a duration.
    """
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise InvalidRequest(
            said("{field}: {text!r} is not a duration.", field=option, text=text),
            field=option,
            hint="Use a number with s, min, h, d or w, such as 30d, 12h or 90min.",
        )
    return float(found[1]) * _SECONDS[found[2]]
