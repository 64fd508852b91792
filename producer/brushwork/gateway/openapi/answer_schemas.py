"""Schemas of answers, which always contain every field, in forms that code generators can read."""

from copy import deepcopy
from typing import Any

Schema = dict[str, Any]


def of_answer(schema: Schema) -> Schema:
    """Return the schema of an object as the gateway writes it: with all fields, and so without defaults.

    Args:
        schema: The schema of a pydantic model; it is not changed.
    """
    whole: Schema = portable(deepcopy(schema))
    if "properties" in whole:
        whole["required"] = list(whole["properties"])
    return whole


def of_problem(schema: Schema) -> Schema:
    """Return the schema of a problem, which leaves out a field instead of writing null.

    Args:
        schema: The schema of `Problem`; it is not changed.
    """
    whole: Schema = portable(deepcopy(schema))
    whole["required"] = [name for name, each in whole["properties"].items() if "anyOf" not in each]
    for each in whole["properties"].values():
        forms = [form for form in each.pop("anyOf", ()) if form != {"type": "null"}]
        each |= forms[0] if forms else {}
    return whole


def portable(schema: Any) -> Any:
    """Return a schema without what code generators stumble over; it is changed in place.

    A default makes generated clients send the field, or require it. A numeric `const` becomes no valid name.
    An integer is bounded by integers. A list of several equal items is a list: openapi-fetch makes lists of
    tuples, which then do not fit.
    """
    if isinstance(schema, list):
        return [portable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("properties"), dict):
        # Names of fields are no words of JSON Schema.
        schema["properties"] = {name: portable(each) for name, each in schema["properties"].items()}
    for name, value in schema.items():
        if name not in ("properties", "examples", "example", "enum", "const", "default"):
            schema[name] = portable(value)
    schema.pop("default", None)
    if not isinstance(schema.get("const", ""), str):
        schema["enum"] = [schema.pop("const")]
    items = schema.get("prefixItems", ())
    if items and all(each == items[0] for each in items) and schema.get("maxItems") == len(items):
        schema["items"] = schema.pop("prefixItems")[0]
    if schema.get("type") == "integer":
        bounds = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
        schema |= {name: int(schema[name]) for name in bounds if name in schema}
    return schema
