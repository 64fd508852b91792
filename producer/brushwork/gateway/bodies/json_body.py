"""JSON of callers. Input that two parsers may read differently is refused, such as repeated names."""

import json
import math
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from pydantic_core import from_json

LONGEST_NUMBER = 400
WHOLE_UP_TO = 2**53
SHOWN_CHARACTERS = 60


def parsed_object(data: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        InvalidRequest: The data is not JSON, as for `parsed`, or not an object.
    """
    value = parsed(data)
    if not isinstance(value, dict):
        raise InvalidRequest(f"The body must be a JSON object, not {_named(value)}.", field="body")
    return value


def parsed(data: bytes) -> Any:
    """Parse JSON.

    Raises:
        InvalidRequest: The data is not JSON, repeats a name in an object, contains an unpaired surrogate or a
            number that is too large, or is nested too deeply.
    """
    try:
        # The first parser refuses malformed and deep JSON. The second one notices repeated names.
        from_json(data, allow_inf_nan=False)
        return json.loads(data, object_pairs_hook=_unique, parse_float=_finite, parse_int=_short)
    except (ValueError, RecursionError) as error:
        reason = str(error)[: 3 * SHOWN_CHARACTERS].rstrip(".")
        raise InvalidRequest(f"The body is not valid JSON: {reason}.", field="body") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:SHOWN_CHARACTERS]!r} is repeated")
        found[name] = value
    return found


def _finite(text: str) -> float | int:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    # In JSON, 12.0 and 12 are the same number. Above 2**53, floats are not exact.
    return int(number) if number.is_integer() and abs(number) <= WHOLE_UP_TO else number


def _short(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return int(text)


def _named(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
