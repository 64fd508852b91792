"""The fields of a form that choose an explanation: its method, and the settings that the methods read."""

from collections.abc import Mapping, Sequence
from typing import Any

from brushwork_schemas.kinds.explanations.request import PARAMETERS, Explain, Method
from brushwork_schemas.kinds.explanations.words import EXPLAIN_WORDS
from brushwork_schemas.kinds.kind import Kind

from brushwork.inputs.explain_choice import EXPLAIN, PREFIX
from brushwork.page.forms.form_field import FormField
from brushwork.page.forms.schema_shape import plain_schema, shape_of


def explain_fields(kind: Kind, language: str, known_by: tuple[str, ...] | None) -> list[FormField]:
    """Return the fields, with names such as `explain.patch_size`; none if nothing can be explained.

    Args:
        kind: The kind.
        language: Language of labels, hints and choices.
        known_by: Names of the models that accept an explanation; None if all do.
    """
    if not kind.explains:
        return []
    method = FormField(
        name=EXPLAIN,
        shape="select",
        label=kind.field_label(EXPLAIN, language),
        choices=tuple(kind.explains),
        choice_labels={each: EXPLAIN_WORDS.choice(each, language) for each in kind.explains},
        known_by=known_by,
    )
    schema = Explain.model_json_schema()
    read = {name: _readers(name, kind.explains) for name in schema["properties"] if name != "method"}
    settings = [
        _setting(name, schema, language, methods, known_by) for name, methods in read.items() if methods
    ]
    return [method, *settings]


def _readers(name: str, methods: Sequence[Method]) -> tuple[str, ...]:
    return tuple(method for method in methods if name in PARAMETERS[method])


def _setting(
    name: str,
    schema: Mapping[str, Any],
    language: str,
    methods: tuple[str, ...],
    known_by: tuple[str, ...] | None,
) -> FormField:
    plain = plain_schema(schema["properties"][name], schema)
    choices = tuple(plain.get("enum", ()))
    return FormField(
        name=f"{PREFIX}{name}",
        shape="text" if name == "words" else shape_of(name, plain),
        label=EXPLAIN_WORDS.label(name, language),
        hint=EXPLAIN_WORDS.hint(name, language),
        minimum=plain.get("minimum"),
        maximum=plain.get("maximum"),
        step=1 if plain.get("type") == "integer" else None,
        max_length=plain.get("maxLength"),
        choices=choices,
        choice_labels={each: EXPLAIN_WORDS.choice(each, language) for each in choices},
        default=plain.get("default"),
        known_by=known_by,
        read_by=methods,
    )
