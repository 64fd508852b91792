"""JSON as it comes from outside: what means something else to each reader is refused."""

import json
import math
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from pydantic_core import from_json

LONGEST_NUMBER = 400
WHOLE_UP_TO = 2**53
SHOWN_CHARACTERS = 60


def parsed_object(data: bytes) -> dict[str, Any]:
    """The object that `data` is the JSON of.

    Raises:
        InvalidRequest: As `parsed`, or it is no object.
    """
    value = parsed(data)
    if not isinstance(value, dict):
        raise InvalidRequest(f"The body should be a JSON object; it is {_named(value)}.", field="body")
    return value


def parsed(data: bytes) -> Any:
    """What `data` is the JSON of.

    Raises:
        InvalidRequest: It is not JSON; it holds a name twice, half a surrogate pair, a number beyond all
            bounds, or is nested too deeply.
    """
    try:
        # The first parser refuses what is no JSON or too deep; the second one sees names that come twice.
        from_json(data, allow_inf_nan=False)
        return json.loads(data, object_pairs_hook=_unique, parse_float=_finite, parse_int=_short)
    except (ValueError, RecursionError) as error:
        reason = str(error)[: 3 * SHOWN_CHARACTERS].rstrip(".")
        raise InvalidRequest(f"This is no JSON that can be read: {reason}.", field="body") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:SHOWN_CHARACTERS]!r} comes twice")
        found[name] = value
    return found


def _finite(text: str) -> float | int:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    # To JSON, 12.0 and 12 are one number; above, not every whole number is a float.
    return int(number) if number.is_integer() and abs(number) <= WHOLE_UP_TO else number


def _short(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return int(text)


def _named(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
