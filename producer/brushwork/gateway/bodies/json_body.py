"""JSON bodies of requests."""

from typing import Any

from brushwork_schemas.errors import InvalidRequest

from brushwork.inputs.strict_json import parsed_json


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
        InvalidRequest: The data is not JSON, or two parsers may read it differently; see `parsed_json`.
    """
    if not data.strip():
        raise InvalidRequest("The body is empty.", field="body", hint="Send a JSON object, such as {}.")
    try:
        return parsed_json(data)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.", field="body") from None


def _named(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
