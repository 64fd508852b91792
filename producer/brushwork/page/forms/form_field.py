"""The fields of a kind's form, made from the JSON Schema of its request and of the options of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import get_annotations
from typing import Any, Literal

from brushwork_core.media.picture_formats import ENDINGS
from brushwork_schemas.catalogue import AddOn, Model
from brushwork_schemas.kinds.field_words import FieldWords
from brushwork_schemas.kinds.kind import ARCHIVE, Kind
from brushwork_schemas.kinds.request import NewPictureRequest
from brushwork_schemas.options import JobOptions

from brushwork.inputs import short_forms
from brushwork.page.views.kind_words import OPTION_WORDS

# A choice between yes, no and what the operator has set.
YES_NO = ("true", "false")
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
# Fields that are useful to programs only.
LEFT_OUT = ("version", "idempotency_key", "traceparent")
AREA_FROM_CHARACTERS = 1000
AS_OPERATOR = "form.as_operator"
# Where that is not the default of the model.
WORDS_IF_EMPTY = {
    "controlnet": "form.no_choice",
    "output_format": "form.default",
    "prompt_weighting": "form.chosen_by_model",
    "visible_label_corner": AS_OPERATOR,
}
# Fields that have an effect only together with another field.
TOGETHER_WITH = {"control_image": "controlnet", "controlnet_conditioning_scale": "controlnet"}
ADD_ONS = {"loras": "lora", "controlnet": "controlnet", "ip_adapters": "ip-adapter"}
# Lines of adapters, with a field for pictures beside them.
PICTURE_PROMPTS = "ip_adapters"
# Some systems know no media type of HEIC or AVIF, but all know the ending.
PICTURES = ",".join([*ENDINGS, *(f".{ending}" for ending in ENDINGS.values()), ".jpeg", ".heif", ".tif"])
ARCHIVES = ".zip,.tar,.tar.gz,.tgz,application/zip"


@dataclass(frozen=True)
class FormField:
    """A field of a form.

    Args:
        name: Name of the parameter.
        shape: How the field is entered.
        label: Label in the language of the reader.
        hint: A sentence of help; may be empty.
        required: Whether a request without the field is refused.
        folded: Whether the field is under "More settings".
        minimum: Smallest number.
        maximum: Largest number.
        step: Distance of two allowed numbers; None if all numbers are allowed.
        max_length: Largest number of characters.
        choices: Values to choose from.
        choice_labels: Text of the choices that have a text of their own.
        placeholder: The default of the first model, if it is known.
        default: Value of an untouched form; for a checkbox whether it is ticked.
        accept: For a file, the types that may be chosen.
        most_files: For several files, how many may be chosen.
        known_by: Names of the models that accept the field; None if all do.
    """

    name: str
    shape: Shape
    label: str = ""
    hint: str = ""
    required: bool = False
    folded: bool = True
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    choice_labels: Mapping[str, str] = field(default_factory=dict)
    placeholder: str = ""
    default: Any = None
    accept: str = ""
    most_files: int | None = None
    known_by: tuple[str, ...] | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether the field needs only a part of a row."""
        return self.shape in ("number", "select", "yes-no") and self.name not in ("model", "controlnet")

    @property
    def word_if_empty(self) -> str:
        """Key of the word for what is used if the field is left empty."""
        return WORDS_IF_EMPTY.get(
            self.name, "form.chosen_by_model" if self.shape != "yes-no" else AS_OPERATOR
        )

    @property
    def may_be_empty(self) -> bool:
        """Whether a select field also offers to choose nothing."""
        return not self.required and self.default is None and self.name != "model"


def form_fields(
    kind: Kind,
    models: Sequence[Model],
    *,
    tenants: bool,
    add_ons: Sequence[AddOn] = (),
    language: str = "en",
) -> list[FormField]:
    """Return the fields of a kind's form, in the order in which they are shown.

    A field that no model accepts is left out.

    Args:
        kind: The kind.
        models: The catalogue's models of this kind, the default first.
        tenants: Whether the caller may choose the tenant of the job.
        add_ons: The catalogue's LoRA adapters and ControlNets.
        language: Language of labels, hints and choices.
    """
    left_out = {*LEFT_OUT, *(() if tenants else ("tenant",))}
    request = _Maker(kind, models, add_ons, kind.request_type.model_json_schema(), kind.field_words, language)
    options = _Maker(kind, models, add_ons, JobOptions.model_json_schema(), OPTION_WORDS, language)
    known_by = {name: _known_by(name, kind, models, add_ons) for name in request.schema["properties"]}
    made = [
        request.made(name, known_by[name], folded=name in kind.request_type.ADVANCED)
        for name in _in_order(kind)
        if name not in left_out and known_by[name] != ()
    ]
    if not any(field.name in kind.pictures for field in made):
        left_out.add("first_frame")
    further = [
        options.made(name, None, folded=True) for name in options.schema["properties"] if name not in left_out
    ]
    return [*made, *further]


def filled_in(model: Model, kind: Kind) -> dict[str, Any]:
    """Return the defaults of a model for the fields of a kind that are left empty."""
    # A picture that is made from another one has the size of that one.
    fitted = ("width", "height") if kind.takes_image else ()
    return {name: value for name, value in model.defaults_of(kind.name).items() if name not in fitted}


def _in_order(kind: Kind) -> list[str]:
    """Return the request fields: required files first, then required fields, the model and the others."""
    fields = kind.request_type.model_fields
    own = [get_annotations(each) for each in kind.request_type.__mro__]

    def place(name: str) -> tuple[bool, bool, bool, bool, int]:
        required, of_file = fields[name].is_required(), name in NewPictureRequest.FILE_FIELDS
        owner = next((index for index, annotations in enumerate(own) if name in annotations), len(own))
        is_file = name in kind.files or name in kind.file_lists
        return (not required, not (required and is_file), name != "model", of_file, owner)

    return sorted(fields, key=place)


@dataclass(frozen=True)
class _Maker:
    """Makes the fields of one schema."""

    kind: Kind
    models: Sequence[Model]
    add_ons: Sequence[AddOn]
    schema: Mapping[str, Any]
    words: FieldWords
    language: str

    def made(self, name: str, known_by: tuple[str, ...] | None, *, folded: bool) -> FormField:
        given = self.schema["properties"][name]
        plain = _plain(given, self.schema)
        required = name in self.schema.get("required", ())
        shape, media_type = _shape(name, plain), {**self.kind.files, **self.kind.file_lists}.get(name)
        defaults = filled_in(self.models[0], self.kind) if self.models else {}
        choices = YES_NO if shape == "yes-no" else self._choices(name, plain)
        return FormField(
            name=name,
            shape=shape,
            label=self.words.label(name, self.language),
            # The choices of this field explain it.
            hint="" if name == "model" else self.words.hint(name, self.language),
            required=required,
            # With one model there is nothing to choose.
            folded=not required and (folded or (name == "model" and len(self.models) == 1)),
            minimum=plain.get("minimum", plain.get("exclusiveMinimum")),
            maximum=plain.get("maximum"),
            step=plain.get("multipleOf", 1 if plain.get("type") == "integer" else None),
            max_length=plain.get("maxLength"),
            choices=choices,
            choice_labels=self._choice_labels(plain),
            placeholder=str(defaults.get(name, "")),
            default=None if shape in ("lines", "adapters") else given.get("default"),
            accept=_accepted(shape, media_type),
            most_files=plain.get("maxItems") if shape == "files" else None,
            known_by=known_by,
        )

    def _choice_labels(self, plain: Mapping[str, Any]) -> dict[str, str]:
        return {value: self.words.choice(value, self.language) for value in _enumerated(plain)}

    def _choices(self, name: str, plain: Mapping[str, Any]) -> tuple[str, ...]:
        if name == "model":
            return tuple(model.name for model in self.models)
        if name == "scheduler":
            return tuple(dict.fromkeys(each for model in self.models for each in model.schedulers))
        if name in ADD_ONS:
            families = {model.family for model in self.models}
            fitting = [each for each in self.add_ons if each.family in families]
            return tuple(each.name for each in fitting if each.type == ADD_ONS[name])
        return _enumerated(plain)


def _known_by(
    name: str, kind: Kind, models: Sequence[Model], add_ons: Sequence[AddOn]
) -> tuple[str, ...] | None:
    """Return the names of the models that accept a field; None if all do."""
    decisive = TOGETHER_WITH.get(name, name)
    accepting = [model for model in models if model.accepts_field(kind.name, decisive)]
    if decisive not in kind.request_type.SPECIAL and len(accepting) == len(models):
        return None
    if decisive in ADD_ONS:
        fitted = {each.family for each in add_ons if each.type == ADD_ONS[decisive]}
        accepting = [model for model in accepting if model.family in fitted]
    return None if models and len(accepting) == len(models) else tuple(model.name for model in accepting)


def _enumerated(plain: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(plain.get("enum") or plain.get("items", {}).get("enum", ()))


def _plain(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a value that is not null, with references resolved."""
    inner: Mapping[str, Any] = next(
        (part for part in schema.get("anyOf", ()) if part.get("type") != "null"), {}
    )
    merged = {**inner, **schema}
    if "$ref" in merged:
        merged = {**whole["$defs"][merged["$ref"].rsplit("/", 1)[1]], **merged}
    return merged


def _accepted(shape: Shape, media_type: str | None) -> str:
    """Return the types of files that a field takes; empty if it takes none."""
    if media_type == ARCHIVE:
        return ARCHIVES
    return PICTURES if media_type is not None or shape == "adapters" else ""


def _shape(name: str, plain: Mapping[str, Any]) -> Shape:
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
