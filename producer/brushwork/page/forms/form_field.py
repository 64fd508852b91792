"""The fields of a kind's form, made from the JSON Schema of its request and of the options of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from brushwork_schemas.catalogue import AddOn, Model
from brushwork_schemas.kinds.kind import ARCHIVE, Kind
from brushwork_schemas.options import JobOptions

from brushwork.inputs import short_forms

Shape = Literal["text", "area", "number", "select", "checkbox", "checks", "file", "suggest", "lines"]
# Shown at once, after what is required; all others wait under "More settings".
FIRST = (
    *("model", "image", "mask_image", "dataset", "strength", "candidate_labels", "points", "boxes", "task"),
    *("num_train_epochs", "image_size", "width", "height", "num_inference_steps", "seed"),
    *("num_images_per_prompt", "language", "top_k", "overlay"),
)
# Of use to programs alone.
LEFT_OUT = ("version", "idempotency_key", "traceparent")
AREA_FROM_CHARACTERS = 1000
# What goes with another field is of use where that one is.
WITH = {"control_image": "controlnet", "controlnet_conditioning_scale": "controlnet"}
ADD_ONS = {"loras": "lora", "controlnet": "controlnet"}
PICTURES, ARCHIVES = "image/png,image/jpeg,image/webp", ".zip,.tar,.tar.gz,.tgz,application/zip"


@dataclass(frozen=True)
class FormField:
    """One field.

    Args:
        folded: Whether it is under "More settings".
        step: Distance of two allowed numbers; None for any.
        placeholder: What holds if it is left empty, where that is known.
        default: What it is filled with; for a checkbox whether it is ticked.
        accept: Of a file, the types that may be chosen.
        known_by: The models that know it; None where all do.
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
    accept: str = ""
    known_by: tuple[str, ...] | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it needs no more than a part of the row."""
        return self.shape in ("number", "select") and self.name not in ("model", "controlnet")

    @property
    def may_be_empty(self) -> bool:
        """Whether none of the choices is one, too."""
        return not self.required and self.default is None and self.name != "model"


def form_fields(
    kind: Kind, models: Sequence[Model], *, tenants: bool, add_ons: Sequence[AddOn] = ()
) -> list[FormField]:
    """All fields of the kind's form that some model of it knows, in the order they are shown.

    Args:
        kind: Which kind.
        models: The catalogue's models of this kind, its default first.
        tenants: Whether the visitor may choose for whom the job is.
        add_ons: The catalogue's LoRA adapters and ControlNets.
    """
    request, options = kind.request_type.model_json_schema(), JobOptions.model_json_schema()
    left_out = {*LEFT_OUT, *(() if tenants else ("tenant",))}
    known_by = {name: _known_by(name, kind, models, add_ons) for name in request["properties"]}
    made = [
        _Maker(kind, models, add_ons, whole).field(name, schema, known_by.get(name))
        for whole in (request, options)
        for name, schema in whole["properties"].items()
        if name not in left_out and known_by.get(name) != ()
    ]
    order = {name: place for place, name in enumerate(FIRST)}
    return sorted(made, key=lambda field: (not field.required, order.get(field.name, len(order))))


def filled_in(model: Model, kind: Kind) -> dict[str, Any]:
    """What a model fills into the fields of a kind that are left empty."""
    # Of a picture that begins with another, the size is that one's.
    fitted = ("width", "height") if kind.takes_image else ()
    return {name: value for name, value in model.defaults_of(kind.name).items() if name not in fitted}


@dataclass(frozen=True)
class _Maker:
    """Makes fields of one schema."""

    kind: Kind
    models: Sequence[Model]
    add_ons: Sequence[AddOn]
    whole: Mapping[str, Any]

    def field(self, name: str, schema: Mapping[str, Any], known_by: tuple[str, ...] | None) -> FormField:
        plain = _plain(schema, self.whole)
        required = name in self.whole.get("required", ())
        shape, sort = _shape(name, plain), self.kind.files.get(name)
        first = filled_in(self.models[0], self.kind) if self.models else {}
        return FormField(
            name=name,
            shape=shape,
            required=required,
            # Of one model there is nothing to choose.
            folded=not required and (name not in FIRST or (name == "model" and len(self.models) == 1)),
            minimum=plain.get("minimum", plain.get("exclusiveMinimum")),
            maximum=plain.get("maximum"),
            step=plain.get("multipleOf", 1 if plain.get("type") == "integer" else None),
            max_length=plain.get("maxLength"),
            choices=self._choices(name, plain),
            placeholder=str(first.get(name, "")),
            default=None if shape == "lines" else schema.get("default"),
            description=plain.get("description", ""),
            accept="" if sort is None else ARCHIVES if sort == ARCHIVE else PICTURES,
            known_by=known_by,
        )

    def _choices(self, name: str, plain: Mapping[str, Any]) -> tuple[str, ...]:
        if name == "model":
            return tuple(model.name for model in self.models)
        if name == "scheduler":
            return tuple(dict.fromkeys(each for model in self.models for each in model.schedulers))
        if name in ADD_ONS:
            families = {model.family for model in self.models}
            fitting = [each for each in self.add_ons if each.family in families]
            return tuple(each.name for each in fitting if each.type == ADD_ONS[name])
        return tuple(plain.get("enum") or plain.get("items", {}).get("enum", ()))


def _known_by(
    name: str, kind: Kind, models: Sequence[Model], add_ons: Sequence[AddOn]
) -> tuple[str, ...] | None:
    """The models that know a field; None where all do."""
    asked = WITH.get(name, name)
    if asked not in kind.request_type.SPECIAL:
        return None
    knowing = [model for model in models if asked in model.accepts]
    if asked in ADD_ONS:
        fitted = {each.family for each in add_ons if each.type == ADD_ONS[asked]}
        knowing = [model for model in knowing if model.family in fitted]
    return None if models and len(knowing) == len(models) else tuple(model.name for model in knowing)


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
    if "contentMediaType" in plain:
        return "file"
    if name in short_forms.FORMS:
        return "lines"
    if name == "scheduler":
        return "suggest"
    if name in ("model", "controlnet") or "enum" in plain:
        return "select"
    if plain.get("type") == "array":
        return "checks"
    if plain.get("type") == "boolean":
        return "checkbox"
    if plain.get("type") in ("integer", "number"):
        return "number"
    return "area" if plain.get("maxLength", 0) >= AREA_FROM_CHARACTERS else "text"
