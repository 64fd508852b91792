"""The fields of a kind's form, made from the JSON Schema of its request and of the options of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any

from brushwork_core.media.picture_formats import ENDINGS
from brushwork_schemas.catalogue import AddOn, Model
from brushwork_schemas.kinds.field_words import FieldWords
from brushwork_schemas.kinds.kind import ARCHIVE, Kind
from brushwork_schemas.kinds.request import NewPictureRequest
from brushwork_schemas.options import JobOptions

from brushwork.inputs.explain_choice import EXPLAIN
from brushwork.page.forms.explain_fields import explain_fields
from brushwork.page.forms.form_field import FormField
from brushwork.page.forms.schema_shape import Shape, plain_schema, shape_of
from brushwork.page.views.kind_words import OPTION_WORDS

# A choice between yes, no and what the operator has set.
YES_NO = ("true", "false")
# Fields that are useful to programs only.
LEFT_OUT = ("version", "idempotency_key", "traceparent")
# Fields that have an effect only together with another field.
TOGETHER_WITH = {"control_image": "controlnet", "controlnet_conditioning_scale": "controlnet"}
ADD_ONS = {"loras": "lora", "controlnet": "controlnet", "ip_adapters": "ip-adapter"}
# Some systems know no media type of HEIC or AVIF, but all know the ending.
PICTURES = ",".join([*ENDINGS, *(f".{ending}" for ending in ENDINGS.values()), ".jpeg", ".heif", ".tif"])
ARCHIVES = ".zip,.tar,.tar.gz,.tgz,application/zip"


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
        if name not in {*left_out, EXPLAIN} and known_by[name] != ()
    ]
    if not any(field.name in kind.pictures for field in made):
        left_out.add("first_frame")
    further = [
        options.made(name, None, folded=True) for name in options.schema["properties"] if name not in left_out
    ]
    return [*made, *further, *_explaining(kind, known_by.get(EXPLAIN, ()), language)]


def _explaining(kind: Kind, known_by: tuple[str, ...] | None, language: str) -> list[FormField]:
    return [] if known_by == () else explain_fields(kind, language, known_by)


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
        plain = plain_schema(given, self.schema)
        required = name in self.schema.get("required", ())
        shape, media_type = shape_of(name, plain), {**self.kind.files, **self.kind.file_lists}.get(name)
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


def _accepted(shape: Shape, media_type: str | None) -> str:
    """Return the types of files that a field takes; empty if it takes none."""
    if media_type == ARCHIVE:
        return ARCHIVES
    return PICTURES if media_type is not None or shape == "adapters" else ""
