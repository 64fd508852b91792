"""JSON bodies of requests."""

import codecs
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

from brushwork.inputs.strict_json import parsed_json

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
        InvalidRequest: The data is not JSON, or two parsers may read it differently; see `parsed_json`.
    """
    data = _in_utf8(data)
    if not data.strip():
        raise InvalidRequest("The body is empty.", field="body", hint="Send a JSON object, such as {}.")
    try:
        return parsed_json(data)
    except ValueError as error:
        message = said("The body is not valid JSON: {reason}.", reason=error.args[0])
        raise InvalidRequest(message, field="body") from None


def _in_utf8(data: bytes) -> bytes:
    mark, encoding = next(((mark, name) for mark, name in _MARKS.items() if data.startswith(mark)), (b"", ""))
    try:
        if encoding:
            return data.removeprefix(mark).decode(encoding).encode()
        # Half of a surrogate pair, which forms may contain, is named by the parser.
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            said(
                "The body is not {encoding}: byte {place} is wrong.",
                encoding=encoding or "utf-8",
                place=error.start,
            ),
            field="body",
            hint="Send JSON in UTF-8.",
        ) from None
    if b"\0" in data[:4]:
        raise InvalidRequest("The body is not utf-8.", field="body", hint="Send JSON in UTF-8.")
    return data


def _named(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
