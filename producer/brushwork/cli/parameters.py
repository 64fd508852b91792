"""From words on a command line to the parameters of a request."""

import re
from collections.abc import Sequence
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import file_fields
from brushwork_schemas.options import JobOptions
from pydantic import TypeAdapter, ValidationError

from brushwork.inputs import short_forms

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def parsed(kind: Kind, words: Sequence[str]) -> dict[str, Any]:
    """The parameters that `words` give: NAME=VALUE, or for the kind's main one the value alone.

    Raises:
        InvalidRequest: One parameter is given twice, or a list can't be read.
    """
    parameters: dict[str, Any] = {}
    for word in words:
        named = _NAMED.fullmatch(word)
        name, value = named.groups() if named else (main_parameter(kind), word)
        if name in parameters:
            raise InvalidRequest(
                f"{name} is given twice: {parameters[name]!r} and {value!r}.",
                field=name,
                hint=_hint(kind, name),
            )
        parameters[name] = typed(kind, name, value)
    return parameters


def _hint(kind: Kind, name: str) -> str:
    quotes = "Put a prompt or a path that has spaces in quotes."
    if name != main_parameter(kind) or name == "prompt" or "prompt" not in kind.request_type.model_fields:
        return quotes
    return f'What has no name is {name} here; the prompt is named: prompt="...". {quotes}'


def main_parameter(kind: Kind) -> str:
    """The parameter that needs no name: the picture or the data set, or where there is none the prompt."""
    main = next(iter(kind.files), "prompt")
    return main if kind.request_type.model_fields[main].is_required() else "prompt"


def typed(kind: Kind, name: str, value: str) -> Any:
    """`value` as the type of that field; as it stands where it does not fit, for `submit` to refuse."""
    if name == "webhook_events":
        return [event.strip() for event in value.split(",")]
    if name in short_forms.FORMS:
        return short_forms.read(name, value)
    field = kind.request_type.model_fields.get(name) or JobOptions.model_fields.get(name)
    # A file's field holds the name of an artifact; a caller gives a path or address instead.
    if field is None or name in file_fields():
        return value
    try:
        declared: Any = field.annotation
        return TypeAdapter(declared).validate_strings(value)
    except ValidationError:
        return _plain(value)


def _plain(value: str) -> int | str:
    # A whole number that is beyond its field's limits is to be refused for that, not for being a word.
    try:
        return int(value)
    except ValueError:
        return value
