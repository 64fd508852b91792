"""The fields of a form as parameters: a form knows only words, a request also numbers and lists."""

from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.registry import all_kinds, file_fields
from brushwork_schemas.options import JobOptions
from pydantic import BaseModel

from brushwork.gateway.bodies.json_body import parsed, parsed_object
from brushwork.gateway.bodies.received import Received
from brushwork.gateway.media_types import FORM, JSON
from brushwork.inputs import short_forms

# A field that holds a whole request as JSON, in place of one field for each parameter.
REQUEST = "request"


def parameters_of(body: Received) -> dict[str, Any]:
    """What a request says, by JSON or by a form.

    Raises:
        InvalidRequest: It can't be read.
        UnsupportedMediaType: The body is neither JSON nor a form.
    """
    if body.media_type == JSON:
        return parsed_object(body.data)
    if body.media_type != FORM:
        body.refuse_type(JSON, FORM)
    parameters = _of_fields(dict(body.fields))
    for name, data in body.files.items():
        if name not in file_fields() or name in parameters:
            raise InvalidRequest(
                f"The form has a file {name[:80]!r}; files are {', '.join(file_fields())}, each once.",
                field=name[:80],
            )
        parameters[name] = data
    return parameters


def _of_fields(fields: dict[str, str]) -> dict[str, Any]:
    if REQUEST not in fields:
        return {name: _value(name, text) for name, text in fields.items()}
    request = parsed_object(fields.pop(REQUEST).encode("utf-8", "surrogatepass"))
    if fields:
        name = min(fields)[:80]
        raise InvalidRequest(f"The form has {REQUEST!r} and {name!r} beside it.", field=name)
    return request


def _value(name: str, text: str) -> Any:
    if name in short_forms.FORMS:
        return short_forms.read(name, text)
    if name not in _others():
        return text
    try:
        return parsed(text.encode("utf-8", "surrogatepass"))
    except InvalidRequest as error:
        raise InvalidRequest(f"{name}: {error.message}", field=name) from None


@cache
def _others() -> frozenset[str]:
    """Names of the parameters that are no words."""
    models: tuple[type[BaseModel], ...] = (JobOptions, *(kind.request_type for kind in all_kinds().values()))
    fields = {name: field.annotation for model in models for name, field in model.model_fields.items()}
    return frozenset(name for name, annotation in fields.items() if not _takes_words(annotation))


def _takes_words(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return any(_takes_words(part) for part in get_args(annotation))
    if origin is Annotated:
        return _takes_words(get_args(annotation)[0])
    # Names of events, with commas between.
    if origin is tuple:
        return True
    if origin is Literal:
        return isinstance(get_args(annotation)[0], str)
    return isinstance(annotation, type) and issubclass(annotation, str)
