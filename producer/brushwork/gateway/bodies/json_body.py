"""JSON bodies of requests."""

import codecs
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

from brushwork.inputs.strict_json import parsed_json

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
        raise InvalidRequest(
            said("The body must be a JSON object, not {named}.", named=_named(value)), field="body"
        )
    return value


def parsed(data: bytes) -> Any:
    """Parse JSON.

    Args:
        data: JSON in UTF-8. It may begin with a byte order mark, as programs of Windows write it.

    Raises:
        InvalidRequest: The data is not JSON, or two parsers may read it differently; see `parsed_json`.
    """
    data = _in_utf8(data)
    if not data.strip():
        raise InvalidRequest(said("The body is empty."), field="body", hint=said("Send a JSON object."))
    try:
        return parsed_json(data)
    except ValueError as error:
        message = said("The body is not valid JSON: {reason}.", reason=error.args[0])
        raise InvalidRequest(message, field="body") from None


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


def _named(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
