"""JSON of callers. Input that two parsers may read differently is refused, such as repeated names."""

import codecs
import json
import math
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from pydantic_core import from_json

LONGEST_NUMBER = 400
WHOLE_UP_TO = 2**53
SHOWN_CHARACTERS = 60
# The byte order marks of encodings that JSON may not have. That of UTF-32 begins with that of UTF-16.
_FOREIGN_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


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

    Args:
        data: JSON in UTF-8. It may begin with a byte order mark, as programs of Windows write it.

    Raises:
        InvalidRequest: The data is not JSON, repeats a name in an object, contains an unpaired surrogate or a
            number that is too large, or is nested too deeply.
    """
    data = _in_utf8(data)
    if not data.strip():
        raise InvalidRequest(said("The body is empty."), field="body", hint=said("Send a JSON object."))
    try:
        # The first parser refuses malformed and deep JSON. The second one notices repeated names.
        from_json(data, allow_inf_nan=False)
        return json.loads(data, object_pairs_hook=_unique, parse_float=_finite, parse_int=_short)
    except (ValueError, RecursionError) as error:
        reason = str(error)[: 3 * SHOWN_CHARACTERS].rstrip(".")
        raise InvalidRequest(f"The body is not valid JSON: {reason}.", field="body") from None


def _in_utf8(data: bytes) -> bytes:
    """Return the data without its byte order mark.

    Raises:
        InvalidRequest: It is in another encoding.
    """
    hint = said("Send JSON in UTF-8.")
    for mark, encoding in _FOREIGN_MARKS.items():
        if data.startswith(mark):
            problem = said("The body is {encoding}, not UTF-8.", encoding=encoding)
            raise InvalidRequest(problem, field="body", hint=hint)
    try:
        # Half of a surrogate pair, which forms may contain, is named by the parser.
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        problem = said("The body is not UTF-8: byte {position} is wrong.", position=error.start)
        raise InvalidRequest(problem, field="body", hint=hint) from None
    if b"\0" in data[:4]:
        raise InvalidRequest(said("The body is not UTF-8."), field="body", hint=hint)
    return data.removeprefix(codecs.BOM_UTF8)


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
