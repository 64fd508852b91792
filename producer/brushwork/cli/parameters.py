"""Arguments of a command line as parameters of a request."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import file_fields
from brushwork_schemas.options import JobOptions
from pydantic import TypeAdapter, ValidationError

from brushwork.inputs import short_forms
from brushwork.inputs.strict_json import parsed_json

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def parsed(kind: Kind, words: Sequence[str]) -> dict[str, Any]:
    """Return the parameters in arguments of the form NAME=VALUE.

    An argument without a name is the value of the kind's main field.

    Args:
        kind: The kind.
        words: The arguments.

    Raises:
        InvalidRequest: A parameter is given twice, a list has the wrong format, or a value needs a name.
    """
    parameters: dict[str, Any] = {}
    for word in words:
        named = _NAMED.fullmatch(word)
        name, value = named.groups() if named else (_main_field(kind, word), word)
        if name in parameters:
            raise InvalidRequest(
                f"{name} is given twice: {parameters[name]!r} and {value!r}.",
                field=name,
                hint=_hint(kind, name),
            )
        parameters[name] = typed(kind, name, value)
    return parameters


def _main_field(kind: Kind, word: str) -> str:
    if kind.main_field is None:
        raise InvalidRequest(
            f"{word!r} has no name, and {kind.name} has no main parameter.", hint="Write NAME=VALUE."
        )
    return kind.main_field


def _hint(kind: Kind, name: str) -> str:
    quotes = "Put a prompt or a path that has spaces in quotes."
    required = [each for each, known in kind.request_type.model_fields.items() if known.is_required()]
    others = [each for each in required if each not in kind.files]
    if name != kind.main_field or not others or name in others:
        return quotes
    return f'The argument without a name is {name}. Write {others[0]}="..." for {others[0]}. {quotes}'


def typed(kind: Kind, name: str, value: str) -> Any:
    """Return a value as the type of its field; unchanged if it does not fit, so that `submit` refuses it."""
    if name == "webhook_events":
        return [event.strip() for event in value.split(",")]
    if name in short_forms.FORMS:
        return short_forms.read(name, value)
    field = kind.request_type.model_fields.get(name) or JobOptions.model_fields.get(name)
    # The field of a file holds a SHA-256; on the command line it is a path, an address or a SHA-256.
    if field is None or name in file_fields():
        return value
    try:
        declared: Any = field.annotation
        return TypeAdapter(declared).validate_strings(value)
    except ValidationError:
        return _plain(value)


def _plain(value: str) -> Any:
    """Return JSON and integers as such, and anything else as text."""
    if value.lstrip().startswith(("[", "{")):
        with suppress(ValueError):
            return parsed_json(value.encode("utf-8", "surrogatepass"))
    # A whole number outside the limits of its field must be refused for its size, not for its type.
    try:
        return int(value)
    except ValueError:
        return value
