"""How a value of a JSON Schema is entered in a form."""

from collections.abc import Mapping
from typing import Any, Literal

from brushwork.inputs import short_forms

AREA_FROM_CHARACTERS = 1000
# Lines of adapters, with a field for pictures beside them.
PICTURE_PROMPTS = "ip_adapters"
Shape = Literal[
    "text",
    "area",
    "number",
    "select",
    "yes-no",
    "checkbox",
    "checks",
    "file",
    "files",
    "suggest",
    "lines",
    "adapters",
]


def plain_schema(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a value that is not null, with references resolved."""
    inner: Mapping[str, Any] = next(
        (part for part in schema.get("anyOf", ()) if part.get("type") != "null"), {}
    )
    merged = {**inner, **schema}
    if "$ref" in merged:
        merged = {**whole["$defs"][merged["$ref"].rsplit("/", 1)[1]], **merged}
    return merged


def shape_of(name: str, plain: Mapping[str, Any]) -> Shape:
    """Return how a field is entered.

    Args:
        name: Name of the field.
        plain: Schema of its value, without null.
    """
    if "contentMediaType" in plain:
        return "file"
    if "contentMediaType" in plain.get("items", {}):
        return "files"
    if name == PICTURE_PROMPTS:
        return "adapters"
    if name in short_forms.FORMS:
        return "lines"
    if name == "scheduler":
        return "suggest"
    if name in ("model", "controlnet") or "enum" in plain:
        return "select"
    if plain.get("type") == "array":
        return "checks"
    if plain.get("type") == "boolean":
        return "checkbox" if plain.get("default") is not None else "yes-no"
    if plain.get("type") in ("integer", "number"):
        return "number"
    return "area" if plain.get("maxLength", 0) >= AREA_FROM_CHARACTERS else "text"
