"""JSON Schemas of the bodies that submit jobs, for each kind: exactly what the gateway accepts.

They contain the catalogue: names of models, their schedulers and their limits. If a kind has several models,
a limit is that of the widest model, and a field is present if one model accepts it. `accepts` of
`GET /v1/models` tells which.
"""

from copy import deepcopy
from typing import Any

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.kinds.kind import ARCHIVE, Kind
from brushwork_schemas.kinds.registry import all_kinds, file_fields
from brushwork_schemas.kinds.request import not_blank
from brushwork_schemas.options import JobOptions

from brushwork.gateway.bodies.form_fields import REQUEST_FIELD
from brushwork.gateway.media_types import JSON, PICTURES

Schema = dict[str, Any]
STORABLE = r"^[^\u0000]*$"
NOT_BLANK = r"^[^\u0000]*\S[^\u0000]*$"
# Add-ons of the catalogue, by their type: the fields that make no sense without one.
ADD_ON_FIELDS = {
    "lora": ("loras",),
    "controlnet": ("controlnet", "control_image", "controlnet_conditioning_scale"),
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
        properties = {"kind": {"const": kind.name, "type": "string"}, **self.changes(kind)["properties"]}
        required = ["kind", *kind.request_type.model_json_schema().get("required", ())]
        return _object(properties, required, description=_summary(kind))

    def form(self) -> Schema:
        """Return the schema of one job of any kind as a form: the request as JSON, and its files as files."""
        # One schema for all kinds: many tools read only the properties of a form, not schemas inside anyOf.
        kinds_of: dict[str, list[str]] = {}
        for kind in all_kinds().values():
            known = self._request(kind)
            for name in kind.files:
                if name in known:
                    kinds_of.setdefault(name, []).append(kind.name)
        request = {
            "type": "string",
            "format": "json-request",
            "contentMediaType": JSON,
            "description": "The request and its options as JSON, without files. Instead of this field, each "
            "parameter and option may be a field of the form.",
        }
        files = {
            name: {
                "type": "string",
                "format": "binary",
                "contentMediaType": file_fields()[name],
                "description": f"A file of {', '.join(kinds)}.",
            }
            for name, kinds in kinds_of.items()
        }
        return _object({REQUEST_FIELD: request, **files}, [REQUEST_FIELD])

    def changes(self, kind: Kind) -> Schema:
        """Return the schema of what a retry may change."""
        return _object({**self._request(kind), **_options()}, [])

    def by_product(self, kind: Kind) -> Schema:
        """Return the schema of a batch with all combinations of its lists."""
        return self._by_lists(kind, "product")

    def by_zip(self, kind: Kind) -> Schema:
        """Return the schema of a batch with one job for each index of its lists."""
        return self._by_lists(kind, "zip")

    def _by_lists(self, kind: Kind, manner: str) -> Schema:
        # Required parameters may be in the template or in the lists. A schema that said so would be long.
        properties = self.submission(kind)["properties"]
        lists = {
            name: {"type": "array", "items": schema, "minItems": 1}
            for name, schema in properties.items()
            if name != "kind"
        }
        parts = {"template": _object(properties, ["kind"]), manner: _object(lists, [], minProperties=1)}
        return _object(parts, ["template", manner])

    def _request(self, kind: Kind) -> dict[str, Schema]:
        whole = kind.request_type.model_json_schema()
        properties: dict[str, Schema] = {
            name: _inlined(schema, whole.get("$defs", {})) for name, schema in whole["properties"].items()
        }
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
        return properties

    def _narrow_special(self, properties: dict[str, Schema], kind: Kind, models: list[Model]) -> None:
        known = {name for model in models for name in model.accepts}
        families = {model.family for model in models}
        for name in kind.request_type.SPECIAL - known:
            properties.pop(name, None)
        fitting = {
            add_on_type: [
                each.name
                for each in self._catalogue.add_ons
                if each.type == add_on_type and each.family in families
            ]
            for add_on_type in ADD_ON_FIELDS
        }
        if "loras" in properties:
            properties["loras"]["items"]["properties"]["name"]["enum"] = fitting["lora"]
        if "controlnet" in properties:
            properties["controlnet"]["anyOf"] = [_choice(fitting["controlnet"]), {"type": "null"}]
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


def component_name(kind: Kind, what: str) -> str:
    """Return the name of a schema of a kind, such as `TextToImageSubmission`."""
    return kind.name.title().replace("-", "") + what


def _refuses_blank(kind: Kind, name: str) -> bool:
    metadata = kind.request_type.model_fields[name].metadata
    return any(getattr(each, "func", None) is not_blank for each in metadata)


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
    known = {
        "model": [model.name for model in models],
        "scheduler": sorted({name for model in models for name in model.schedulers}),
    }
    for name in known.keys() & properties.keys():
        choice = [_choice(known[name])] if known[name] else []
        properties[name]["anyOf"] = [*choice, {"type": "null"}]


def _choice(names: list[str]) -> Schema:
    return {"type": "string", "enum": names}


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
