"""JSON of callers. Input that two parsers may read differently is refused, such as repeated names."""

import codecs
import json
import math
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from pydantic_core import from_json

LONGEST_NUMBER = 400
WHOLE_UP_TO = 2**53
SHOWN_CHARACTERS = 60
# Some programs of Windows begin a file with a byte order mark, which names its encoding. UTF-32 goes first:
# its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
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
        data: JSON in UTF-8, or in the encoding of the byte order mark that it begins with.

    Raises:
        InvalidRequest: The data is not JSON, repeats a name in an object, contains an unpaired surrogate or a
            number that is too large, or is nested too deeply.
    """
    data = _in_utf8(data)
    if not data.strip():
        raise InvalidRequest("The body is empty.", field="body", hint="Send a JSON object, such as {}.")
    try:
        # The first parser refuses malformed and deep JSON. The second one notices repeated names.
        from_json(data, allow_inf_nan=False)
        return json.loads(data, object_pairs_hook=_unique, parse_float=_finite, parse_int=_short)
    except (ValueError, RecursionError) as error:
        reason = str(error)[: 3 * SHOWN_CHARACTERS].rstrip(".")
        raise InvalidRequest(f"The body is not valid JSON: {reason}.", field="body") from None


def _in_utf8(data: bytes) -> bytes:
    mark, encoding = next(((mark, name) for mark, name in _MARKS.items() if data.startswith(mark)), (b"", ""))
    try:
        if encoding:
            return data.removeprefix(mark).decode(encoding).encode()
        # Half of a surrogate pair, which forms may contain, is named by the parser.
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The body is not {encoding or 'utf-8'}: byte {error.start} is wrong.",
            field="body",
            hint="Send JSON in UTF-8.",
        ) from None
    if b"\0" in data[:4]:
        raise InvalidRequest("The body is not utf-8.", field="body", hint="Send JSON in UTF-8.")
    return data


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
