"""JSON Schemas of the bodies that submit jobs, for each kind: exactly what the gateway accepts.

They contain the catalogue: schedulers and limits of its models, and their names as examples. If a kind has
several models, a limit is that of the widest model, and a field is present if one model accepts it. `accepts`
of `GET /v1/models` tells which.
"""

import json
from copy import deepcopy
from typing import Any, get_args

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.kinds.file_places import ANY_INDEX, field_of
from brushwork_schemas.kinds.kind import ARCHIVE, Kind
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.request import not_blank
from brushwork_schemas.options import JobOptions

from brushwork.gateway.media_types import PICTURES
from brushwork.gateway.openapi.answer_schemas import Schema, portable
from brushwork.gateway.openapi.explain_schema import explain_schema

REF = "#/components/schemas/{model}"
STORABLE = r"^[^\u0000]*$"
NOT_BLANK = r"^[^\u0000]*\S[^\u0000]*$"
# Add-ons of the catalogue, by their type: the fields that make no sense without one.
ADD_ON_FIELDS = {
    "lora": ("loras",),
    "controlnet": ("controlnet", "control_image", "controlnet_conditioning_scale"),
    "ip-adapter": ("ip_adapters",),
}


class KindSchemas:
    """The schemas of all bodies, by kind.

    Args:
        catalogue: The models that requests may name.
        addresses: Whether pictures may be given by address.
    """

    def __init__(self, catalogue: Catalogue, *, addresses: bool = False) -> None:
        self._catalogue = catalogue
        self._addresses = addresses

    def submission(self, kind: Kind) -> Schema:
        """Return the schema of one job: kind, parameters and options."""
        required = ["kind", *kind.request_type.model_json_schema().get("required", ())]
        return _object(self._properties(kind), required, description=_summary(kind))

    def changes(self, kind: Kind) -> Schema:
        """Return the schema of what a retry may change. A field that is left out stays as it was."""
        return _object(self._properties(kind), [])

    def template(self, kind: Kind) -> Schema:
        """Return the schema of what all jobs of a batch have in common."""
        # Required parameters may be in the template or in the lists. A schema that said so would be long.
        return _object(self._properties(kind), ["kind"])

    def lists(self, kind: Kind) -> Schema:
        """Return the schema of the lists of a batch."""
        lists = {
            name: {"type": "array", "items": schema, "minItems": 1}
            for name, schema in self._properties(kind).items()
            if name != "kind"
        }
        return _object(lists, [], minProperties=1)

    def by_product(self, kind: Kind) -> Schema:
        """Return the schema of a batch with all combinations of its lists."""
        return _by_lists(kind, "product")

    def by_zip(self, kind: Kind) -> Schema:
        """Return the schema of a batch with one job for each index of its lists."""
        return _by_lists(kind, "zip")

    def _properties(self, kind: Kind) -> dict[str, Schema]:
        # A default would make generated clients send every field, or require it.
        described = {name: _with_default_in_words(each) for name, each in self._request(kind).items()}
        options = {name: _with_default_in_words(each) for name, each in _options().items()}
        properties: dict[str, Schema] = portable({**described, **options})
        return {"kind": kind_property(kind), **properties}

    def _request(self, kind: Kind) -> dict[str, Schema]:
        whole = kind.request_type.model_json_schema()
        properties: dict[str, Schema] = {
            name: _inlined(schema, whole.get("$defs", {})) for name, schema in whole["properties"].items()
        }
        if kind.explains:
            properties["explain"] = explain_schema(kind, properties["explain"], STORABLE)
        for name, schema in properties.items():
            for form in _forms(schema):
                if form.get("type") == "string" and not {"enum", "pattern", "const"} & form.keys():
                    form["pattern"] = NOT_BLANK if _refuses_blank(kind, name) else STORABLE
        models = self._catalogue.of_kind(kind.name)
        if models:
            _narrow(properties, models)
            self._narrow_special(properties, kind, models)
        for name, media_type in kind.files.items():
            if name in properties:
                properties[name] = self._file(media_type, properties[name])
        for pattern, media_type in kind.file_patterns.items():
            if ANY_INDEX in pattern and field_of(pattern) in properties:
                schema = _schema_at(properties, pattern)
                file = self._file(media_type, schema)
                schema.clear()
                schema.update(file)
        return properties

    def _narrow_special(self, properties: dict[str, Schema], kind: Kind, models: list[Model]) -> None:
        families = {model.family for model in models}
        for name in list(properties):
            if not any(model.accepts_field(kind.name, name) for model in models):
                properties.pop(name)
        fitting = {
            add_on_type: [
                each.name
                for each in self._catalogue.add_ons
                if each.type == add_on_type and each.family in families
            ]
            for add_on_type in ADD_ON_FIELDS
        }
        for name, add_on_type in (("loras", "lora"), ("ip_adapters", "ip-adapter")):
            if name in properties:
                properties[name]["items"]["properties"]["name"]["examples"] = fitting[add_on_type]
        if "controlnet" in properties:
            properties["controlnet"]["examples"] = fitting["controlnet"]
        for add_on_type, names in ADD_ON_FIELDS.items():
            for name in names if not fitting[add_on_type] else ():
                properties.pop(name, None)

    def _file(self, media_type: str, schema: Schema) -> Schema:
        """Return the ways to give a file.

        Args:
            media_type: Media type of the field.
            schema: Schema of the field in a stored request, which holds only the SHA-256.
        """
        description = schema.get("description", "")
        if media_type == ARCHIVE:
            named = "SHA-256 of an uploaded archive, in hexadecimal digits."
            form = {"type": "string", "format": "archive-sha256", "minLength": 64, "maxLength": 64}
            return {**form, "description": f"{description} {named}".strip()}
        forms = self._picture_forms() + ([{"type": "null"}] if "default" in schema else [])
        return {"anyOf": forms, "description": f"{description} PNG, JPEG or WebP of one frame.".strip()}

    def _picture_forms(self) -> list[Schema]:
        named = "SHA-256, in hexadecimal digits, of an uploaded file or of a file that an own job made."
        itself = f"The picture as `data:TYPE;base64,...`. TYPE is one of {', '.join(PICTURES)}."
        forms: list[Schema] = [
            {"type": "string", "format": "sha256", "minLength": 64, "maxLength": 64, "description": named},
            {"type": "string", "format": "data-url", "description": itself},
        ]
        if self._addresses:
            where = "An http or https address. It is fetched once, at once, and only from public hosts."
            forms.append({"type": "string", "format": "picture-url", "description": where})
        return forms


def ref(name: str) -> Schema:
    """Return a reference to a component schema."""
    return {"$ref": REF.format(model=name)}


def component_name(kind: Kind, what: str) -> str:
    """Return the name of a schema of a kind, such as `TextToImageSubmission`."""
    return kind.name.title().replace("-", "") + what


def kind_property(kind: Kind) -> Schema:
    """Return the schema of the field `kind`: this kind alone."""
    return {"type": "string", "const": kind.name}


def of_each_kind(what: str) -> list[Schema]:
    """Return references to a schema of each kind, such as `Submission`."""
    return [ref(component_name(kind, what)) for kind in all_kinds().values()]


def union_of_kinds(what: str) -> Schema:
    """Return the union of a schema of each kind, told apart by the field `kind`."""
    mapping = {kind.name: ref(component_name(kind, what))["$ref"] for kind in all_kinds().values()}
    return {"oneOf": of_each_kind(what), "discriminator": {"propertyName": "kind", "mapping": mapping}}


def _by_lists(kind: Kind, manner: str) -> Schema:
    parts = {"template": ref(component_name(kind, "Template")), manner: ref(component_name(kind, "Lists"))}
    return _object(parts, ["template", manner])


def _with_default_in_words(schema: Schema) -> Schema:
    default = schema.get("default")
    if default in (None, "", [], ()):
        return schema
    text = f"{schema.get('description', '')} Default: {json.dumps(default)}.".strip()
    return {**schema, "description": text}


def _refuses_blank(kind: Kind, name: str) -> bool:
    field = kind.request_type.model_fields[name]
    # An optional text has its checks at the text.
    inner = (each for form in get_args(field.annotation) for each in getattr(form, "__metadata__", ()))
    return any(getattr(each, "func", None) is not_blank for each in (*field.metadata, *inner))


def _narrow(properties: dict[str, Schema], models: list[Model]) -> None:
    limits = [model.limits for model in models]
    most = {
        "width": max(limit.max_side for limit in limits),
        "height": max(limit.max_side for limit in limits),
        "num_inference_steps": max(limit.max_steps for limit in limits),
        "num_images_per_prompt": max(limit.max_images for limit in limits),
    }
    for name in most.keys() & properties.keys():
        for form in _forms(properties[name]):
            if "maximum" in form:
                form["maximum"] = min(form["maximum"], most[name])
    # Examples, for an operator may add models later, and `trained:<job id>` is one, too.
    properties["model"]["examples"] = [model.name for model in models]
    if "scheduler" in properties:
        schedulers = sorted({name for model in models for name in model.schedulers})
        choice = [{"type": "string", "enum": schedulers}] if schedulers else []
        properties["scheduler"]["anyOf"] = [*choice, {"type": "null"}]


def _inlined(schema: Any, definitions: dict[str, Schema]) -> Any:
    """Return the schema with definitions in place of references. Strings in lists must not be blank."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    whole = {name: _inlined(value, definitions) for name, value in schema.items()}
    items = whole.get("items")
    if isinstance(items, dict) and items.get("type") == "string" and "enum" not in items:
        items["pattern"] = NOT_BLANK
    return whole


def _options() -> dict[str, Schema]:
    whole = JobOptions.model_json_schema()
    options: dict[str, Schema] = {}
    for name, schema in whole["properties"].items():
        inner = deepcopy(whole["$defs"]["Priority"]) if "$ref" in schema else deepcopy(schema)
        forms = _forms(inner)
        described = {key: schema[key] for key in ("description", "default", "title") if key in schema}
        bare = [{key: value for key, value in form.items() if key not in described} for form in forms]
        if name == "webhook_url":
            bare[0]["format"] = "http-url"
        # Null means the default, for callers that always send every field.
        null = [] if {"type": "null"} in bare else [{"type": "null"}]
        options[name] = {"anyOf": [*bare, *null], **described}
    return options


def _schema_at(properties: dict[str, Schema], pattern: str) -> Schema:
    """Return the schema of the files in a list; see `file_places`."""
    first, *rest = pattern.split(".")
    schema: Schema = properties[first]
    for part in rest:
        schema = schema["items"] if part == ANY_INDEX else schema["properties"][part]
    return schema


def _forms(schema: Schema) -> list[Schema]:
    forms: list[Schema] = schema.get("anyOf", [schema])
    return forms


def _object(properties: dict[str, Schema], required: list[str], **more: Any) -> Schema:
    return {
        "type": "object",
        **more,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _summary(kind: Kind) -> str:
    return str(kind.request_type.model_json_schema().get("description", ""))
