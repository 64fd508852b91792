"""The fields of a kind's form, made from the JSON Schema of its request and of the options of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds import Kind
from brushwork_schemas.options import JobOptions

Shape = Literal["text", "area", "number", "select", "checkbox", "checks", "file", "suggest"]
# Shown at once, after what is required; all others wait under "More settings".
FIRST = (
    *("model", "width", "height", "num_inference_steps"),
    *("seed", "num_images_per_prompt", "language", "top_k", "overlay"),
)
# Of use to programs alone.
LEFT_OUT = ("version", "idempotency_key", "traceparent")
AREA_FROM_CHARACTERS = 1000


@dataclass(frozen=True)
class FormField:
    """One field.

    Args:
        folded: Whether it is under "More settings".
        step: Distance of two allowed numbers; None for any.
        placeholder: What holds if it is left empty, where that is known.
        default: What it is filled with; for a checkbox whether it is ticked.
    """

    name: str
    shape: Shape
    required: bool = False
    folded: bool = True
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    placeholder: str = ""
    default: Any = None
    description: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether it needs no more than a part of the row."""
        return self.shape in ("number", "select") and self.name != "model"


def form_fields(kind: Kind, models: Sequence[Model], *, tenants: bool) -> list[FormField]:
    """All fields of the kind's form, in the order they are shown.

    Args:
        kind: Which kind.
        models: The catalogue's models of this kind, its default first.
        tenants: Whether the visitor may choose for whom the job is.
    """
    request, options = kind.request_type.model_json_schema(), JobOptions.model_json_schema()
    left_out = {*LEFT_OUT, *(() if tenants else ("tenant",))}
    made = [
        _field(name, schema, whole, models)
        for whole in (request, options)
        for name, schema in whole["properties"].items()
        if name not in left_out
    ]
    order = {name: place for place, name in enumerate(FIRST)}
    return sorted(made, key=lambda field: (not field.required, order.get(field.name, len(order))))


def _field(
    name: str, schema: Mapping[str, Any], whole: Mapping[str, Any], models: Sequence[Model]
) -> FormField:
    plain = _plain(schema, whole)
    required = name in whole.get("required", ())
    above = plain.get("exclusiveMinimum")
    return FormField(
        name=name,
        shape=_shape(name, plain),
        required=required,
        # Of one model there is nothing to choose.
        folded=not required and (name not in FIRST or (name == "model" and len(models) == 1)),
        minimum=plain.get("minimum", above),
        maximum=plain.get("maximum"),
        step=plain.get("multipleOf", 1 if plain.get("type") == "integer" else None),
        max_length=plain.get("maxLength"),
        choices=_choices(name, plain, models),
        placeholder=str(models[0].defaults.get(name, "")) if models else "",
        default=schema.get("default"),
        description=plain.get("description", ""),
    )


def _plain(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a value that is given: without null, references followed."""
    inner: Mapping[str, Any] = next(
        (part for part in schema.get("anyOf", ()) if part.get("type") != "null"), {}
    )
    merged = {**inner, **schema}
    if "$ref" in merged:
        merged = {**whole["$defs"][merged["$ref"].rsplit("/", 1)[1]], **merged}
    return merged


def _shape(name: str, plain: Mapping[str, Any]) -> Shape:
    if name == "image":
        return "file"
    if name == "scheduler":
        return "suggest"
    if name == "model" or "enum" in plain:
        return "select"
    if plain.get("type") == "array":
        return "checks"
    if plain.get("type") == "boolean":
        return "checkbox"
    if plain.get("type") in ("integer", "number"):
        return "number"
    return "area" if plain.get("maxLength", 0) >= AREA_FROM_CHARACTERS else "text"


def _choices(name: str, plain: Mapping[str, Any], models: Sequence[Model]) -> tuple[str, ...]:
    if name == "model":
        return tuple(model.name for model in models)
    if name == "scheduler":
        return tuple(dict.fromkeys(scheduler for model in models for scheduler in model.schedulers))
    return tuple(plain.get("enum") or plain.get("items", {}).get("enum", ()))
