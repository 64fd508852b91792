"""Schema of the field `explain`: the methods of a kind, and for each method the settings that it reads."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from brushwork_schemas.kinds.explanations.request import PARAMETERS, Method
from brushwork_schemas.kinds.kind import Kind

from brushwork.gateway.openapi.answer_schemas import Schema


def explain_schema(kind: Kind, schema: Schema, text: str) -> Schema:
    """Return the schema of what a kind accepts as `explain`.

    Args:
        kind: The kind.
        schema: The schema of the field, with definitions in place of references.
        text: Pattern of all texts.
    """
    whole = deepcopy(next(form for form in schema["anyOf"] if form.get("type") == "object"))
    for form in whole["properties"]["target"]["anyOf"]:
        form |= {"pattern": text} if form["type"] == "string" else {}
    forms: list[Schema] = [
        {"type": "boolean"},
        {"type": "string", "enum": list(kind.explains)},
        *(_of_method(kind, method, whole["properties"]) for method in kind.explains),
        {"type": "null"},
    ]
    return {**schema, "anyOf": forms}


def _of_method(kind: Kind, method: Method, fields: Mapping[str, Any]) -> Schema:
    properties = {name: deepcopy(each) for name, each in fields.items() if name in PARAMETERS[method]}
    return {
        "type": "object",
        "properties": {"method": {"type": "string", "const": method}, **properties},
        # Without a method it is the first one.
        "required": [] if method == kind.explains[0] else ["method"],
        "additionalProperties": False,
    }
