"""Forms as parameters: every field of a form is text, but parameters may be numbers, lists and objects."""

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.file_places import (
    ANY_INDEX,
    MOST_ITEMS,
    NO_FILE_YET,
    field_of,
    pattern_of,
    values_at,
    with_values,
)
from brushwork_schemas.kinds.registry import all_kinds, file_patterns
from brushwork_schemas.options import JobOptions
from brushwork_schemas.wording.nearest_name import nearest_name
from brushwork_schemas.wording.phrase import said
from pydantic import BaseModel

from brushwork.gateway.bodies.json_body import parsed, parsed_object
from brushwork.gateway.bodies.received import Received
from brushwork.gateway.media_types import FORM, JSON
from brushwork.inputs import explain_choice, short_forms

# The field of a form that holds a request as JSON, in place of one field for each parameter.
REQUEST_FIELD = "request"


def parameters_of(body: Received) -> dict[str, Any]:
    """Return the parameters of a body that is JSON or a form.

    Raises:
        InvalidRequest: The body is malformed.
        UnsupportedMediaType: The body is neither JSON nor a form.
    """
    if body.media_type == JSON:
        return parsed_object(body.data)
    if body.media_type != FORM:
        body.refuse_type(JSON, FORM)
    wrong = Refusals()
    parameters = _of_fields(dict(body.fields), wrong)
    for place, data in body.files.items():
        with wrong.noted():
            _check_file(place, parameters)
            parameters = with_values(parameters, {place: data})
            if values_at(parameters, [pattern_of(place)]).get(place) is not data:
                raise _misplaced(place)
    wrong.raise_any()
    return parameters


def _misplaced(place: str) -> InvalidRequest:
    return InvalidRequest(
        said(
            "{field}: the form has a file for this place, but its request has no such place.",
            field=place[:80],
        ),
        field=place[:80],
        hint="Number the files of a list from 0, and put the other values of the list into 'request'.",
    )


def _check_file(name: str, parameters: Mapping[str, Any]) -> None:
    if pattern_of(name) not in file_patterns():
        close = nearest_name(name, file_patterns())
        names = said("Files are {fields}.", fields=list(file_patterns()))
        raise InvalidRequest(
            said(
                "{field}: the form has a file with this name, but no kind takes such a file.", field=name[:80]
            ),
            field=name[:80],
            hint=said("Did you mean {name!r}? {more}", name=close, more=names) if close else names,
        )
    given = values_at(parameters, [pattern_of(name)]).get(name, NO_FILE_YET)
    if name in parameters or given != NO_FILE_YET:
        raise InvalidRequest(
            said("{field}: is both a file and a parameter of the form.", field=name), field=name
        )


def _of_fields(fields: dict[str, str], wrong: Refusals) -> dict[str, Any]:
    if REQUEST_FIELD not in fields:
        parameters: dict[str, Any] = {}
        for name, text in fields.items():
            with wrong.noted():
                if ANY_INDEX in pattern_of(name):
                    parameters = _with_file(parameters, name, text)
                else:
                    parameters[name] = _value(name, text)
        with wrong.noted():
            parameters = explain_choice.gathered(parameters)
        return parameters
    request = parsed_object(fields.pop(REQUEST_FIELD).encode("utf-8", "surrogatepass"))
    if fields:
        name = min(fields)[:80]
        raise InvalidRequest(
            said("{field}: the form has this field beside 'request'.", field=name),
            field=name,
            hint="Put all parameters into 'request' as JSON, or each into a field of its own.",
        )
    return request


def _with_file(parameters: dict[str, Any], place: str, text: str) -> dict[str, Any]:
    """Return the parameters with a file named by text: a SHA-256, a URL, or a list of these as JSON."""
    field = field_of(place)
    if text.lstrip().startswith("[") and place == f"{field}.0":
        return {**parameters, field: _parsed(field, text)}
    earlier = len(values_at(parameters, [pattern_of(place)]))
    index = int(place.rpartition(".")[2])
    if index > MOST_ITEMS:
        raise _misplaced(place)
    # Files of the form come later, at the places that are left free for them.
    free = {f"{field}.{number}": NO_FILE_YET for number in range(earlier, index)}
    changed: dict[str, Any] = with_values(parameters, {**free, place: text})
    return changed


def _value(name: str, text: str) -> Any:
    if name in short_forms.FORMS:
        return short_forms.read(name, text)
    if name == explain_choice.EXPLAIN:
        return explain_choice.read(text)
    if name.startswith(explain_choice.PREFIX):
        return explain_choice.read_setting(name, text)
    if name not in _json_parameters():
        return text
    return _parsed(name, text)


def _parsed(name: str, text: str) -> Any:
    try:
        return parsed(text.encode("utf-8", "surrogatepass"))
    except InvalidRequest as error:
        message = said("{field}: {message}", field=name, message=error.message)
        raise InvalidRequest(message, field=name, hint=error.hint) from None


@cache
def _json_parameters() -> frozenset[str]:
    """Return the parameters that cannot be text. Their fields hold JSON, such as a number."""
    models: tuple[type[BaseModel], ...] = (JobOptions, *(kind.request_type for kind in all_kinds().values()))
    fields = {name: field.annotation for model in models for name, field in model.model_fields.items()}
    return frozenset(name for name, annotation in fields.items() if not _takes_text(annotation))


def _takes_text(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return any(_takes_text(part) for part in get_args(annotation))
    if origin is Annotated:
        return _takes_text(get_args(annotation)[0])
    # Names of events, separated by commas.
    if origin is tuple:
        return True
    if origin is Literal:
        return isinstance(get_args(annotation)[0], str)
    return isinstance(annotation, type) and issubclass(annotation, str)
