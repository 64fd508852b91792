"""Checks a kind of a plug-in before it is registered, so that it cannot break other kinds."""

import json
import re
from collections.abc import Mapping
from typing import Any

from brushwork_schemas.artifact import DigitalSource
from brushwork_schemas.kinds.explanations.request import PARAMETERS
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.wording.phrase import said

# The name is the name of a queue, part of a task name and of addresses, and a column of 64 characters.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_kind(kind: Kind) -> None:
    """Raise ValueError if a kind cannot be used; the message names the field.

    Other exceptions come from the classes of the kind, for example if a request has no JSON Schema.
    """
    if not isinstance(kind.name, str) or not _NAME.fullmatch(kind.name):
        raise ValueError(
            said("{kind!r} is not a name of at most 64 letters, digits, '.', '_' and '-'", kind=kind.name)
        )
    _check_type(kind, "request_type", Request)
    _check_type(kind, "result_type", Result)
    for field in ("title", "action", "follow_up"):
        text = getattr(kind, field)
        if (field != "follow_up" or text is not None) and not _is_localized(text):
            raise ValueError(
                said("{kind}: {field} has no text in English ('en')", kind=kind.name, field=field)
            )
    if kind.digital_source is not None and not isinstance(kind.digital_source, DigitalSource):
        raise ValueError(said("{kind}: digital_source is not a DigitalSource", kind=kind.name))
    _check_explains(kind)
    if not isinstance(kind.order, int):
        raise ValueError(said("{kind}: order is not an integer", kind=kind.name))
    try:
        kind.request_type.model_json_schema()
        kind.result_type.model_json_schema(mode="serialization")
        json.dumps(dict(kind.example))
    except Exception as error:
        raise ValueError(
            said("{kind}: {type}: {error}", kind=kind.name, type=type(error).__name__, error=error)
        ) from error


def _check_explains(kind: Kind) -> None:
    if unknown := [each for each in kind.explains if each not in PARAMETERS]:
        raise ValueError(
            said(
                "{kind}: explains has {unknown}; the methods are {known}",
                kind=kind.name,
                unknown=unknown,
                known=sorted(PARAMETERS),
            )
        )
    if kind.explains and "explain" not in kind.request_type.model_fields:
        raise ValueError(
            said("{kind}: explains is set, but request_type is no ExplainableRequest", kind=kind.name)
        )


def _check_type(kind: Kind, field: str, expected: type[Any]) -> None:
    given = getattr(kind, field)
    if not isinstance(given, type) or not issubclass(given, expected):
        raise ValueError(
            said(
                "{kind}: {field} is not a subclass of {expected}",
                kind=kind.name,
                field=field,
                expected=expected.__name__,
            )
        )


def _is_localized(text: Any) -> bool:
    return (
        isinstance(text, Mapping) and bool(text.get("en")) and all(isinstance(t, str) for t in text.values())
    )
