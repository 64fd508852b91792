"""Arguments of a command line as parameters of a request."""

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from brushwork_schemas.artifact import is_data_url, is_sha256
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import file_fields
from brushwork_schemas.options import JobOptions
from brushwork_schemas.wording.phrase import said
from pydantic import TypeAdapter, ValidationError

from brushwork.inputs import explain_choice, short_forms
from brushwork.inputs.picture_files import is_url
from brushwork.inputs.strict_json import parsed_json

# A word of any script before the sign, so that a name in Chinese is not taken for a prompt.
_DECIMAL = re.compile(r"[+-]?\d{1,15}\.0*")
# Other names have no dots, and a prompt may have some before an equals sign.
_NAMED = re.compile(r"((?:explain\.)?[^\W\d][\w-]*)[=\uff1d](.*)", re.DOTALL)


def parsed(kind: Kind, words: Sequence[str]) -> dict[str, Any]:
    """Return the parameters in arguments of the form NAME=VALUE.

    An argument without a name is the value of the kind's main field.

    Args:
        kind: The kind.
        words: The arguments.

    Raises:
        InvalidRequest: A parameter is given twice, a list has the wrong format, or a value needs a name. A
            parameter for several files may be given several times.
    """
    parameters: dict[str, Any] = {}
    wrong = Refusals()
    for word in words:
        with wrong.noted():
            named = _NAMED.fullmatch(word)
            name, value = named.groups() if named else (_main_field(kind, word), word)
            is_another = named is not None or name not in parameters or _names_file(value)
            if name in kind.file_lists and is_another:
                parameters[name] = [*parameters.get(name, ()), *_listed(value)]
                continue
            if name in parameters:
                raise InvalidRequest(
                    said(
                        "{field} is given twice: {first!r} and {second!r}.",
                        field=name,
                        first=str(parameters[name][-1] if name in kind.file_lists else parameters[name]),
                        second=value,
                    ),
                    field=name,
                    hint=_hint(kind, name),
                )
            parameters[name] = typed(kind, name, value)
    with wrong.noted():
        parameters = explain_choice.gathered(parameters)
    wrong.raise_any()
    return parameters


def _names_file(value: str) -> bool:
    """Whether an argument without a name is one more file, and not a prompt that lacks its name."""
    return is_sha256(value) or is_url(value) or is_data_url(value) or Path(value).exists()


def _listed(value: str) -> list[Any]:
    """Return the files of one argument: a path, an address or a SHA-256, or a list of these in JSON."""
    if value.lstrip().startswith("["):
        with suppress(ValueError):
            found = parsed_json(value.encode("utf-8", "surrogatepass"))
            return found if isinstance(found, list) else [value]
    return [value]


def _main_field(kind: Kind, word: str) -> str:
    if kind.main_field is None:
        raise InvalidRequest(
            said("{word!r} has no name, and {kind} has no main parameter.", word=word, kind=kind.name),
            hint="Write NAME=VALUE.",
        )
    return kind.main_field


def _hint(kind: Kind, name: str) -> str:
    quotes = said("Put a prompt or a path that has spaces in quotes.")
    required = [each for each, known in kind.request_type.model_fields.items() if known.is_required()]
    others = [each for each in required if each not in {**kind.files, **kind.file_lists}]
    if name != kind.main_field or not others or name in others:
        return quotes
    return said(
        'The argument without a name is {field}. Write {other}="..." for {other}. {quotes}',
        field=name,
        other=others[0],
        quotes=quotes,
    )


def typed(kind: Kind, name: str, value: str) -> Any:
    """Return a value as the type of its field; unchanged if it does not fit, so that `submit` refuses it."""
    if name == "webhook_events":
        return [event.strip() for event in value.split(",")]
    if name in short_forms.FORMS:
        return short_forms.read(name, value)
    if name == explain_choice.EXPLAIN:
        return explain_choice.read(value)
    if name.startswith(explain_choice.PREFIX):
        return explain_choice.read_setting(name, value)
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
    # A whole number outside the limits of its field must be refused for its size, not for its type, 4.0 too.
    try:
        return int(value)
    except ValueError:
        number = float(value) if _DECIMAL.fullmatch(value) else math.nan
        return int(number) if number.is_integer() else value
