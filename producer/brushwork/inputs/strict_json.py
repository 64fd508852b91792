"""JSON of callers, at every entry point. Input that two parsers may read differently is refused."""

import json
import math
from typing import Any

from brushwork_schemas.wording.phrase import Phrase, said
from pydantic_core import from_json

LONGEST_NUMBER = 400
WHOLE_UP_TO = 2**53
SHOWN_CHARACTERS = 60


def parsed_json(data: bytes) -> Any:
    """Parse JSON in UTF-8.

    Raises:
        ValueError: The data is not JSON, repeats a name in an object, contains NaN, an infinite number, an
            unpaired surrogate or a number that is too large, or is nested too deeply.
    """
    try:
        # The first parser refuses malformed and deep JSON. The second one notices repeated names.
        from_json(data, allow_inf_nan=False)
        return json.loads(data, object_pairs_hook=_unique, parse_float=_finite, parse_int=_short)
    except (ValueError, RecursionError) as error:
        reason = error.args[0] if error.args else ""
        is_own = isinstance(reason, Phrase)
        raise ValueError(reason if is_own else str(error)[: 3 * SHOWN_CHARACTERS].rstrip(".")) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(said("the name {name!r} is repeated", name=name[:SHOWN_CHARACTERS]))
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
