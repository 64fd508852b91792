"""JSON Schemas of the bodies that bring jobs, by kind: as narrow as what the gateway takes.

They are made from the catalogue, so that a model's name, its schedulers and its largest side are known to
whoever reads them. Where a kind has several models, a bound is that of the widest, and a field is there that
one of them knows: `accepts` of `GET /v1/models` says which.
"""

from copy import deepcopy
from typing import Any

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.kinds.kind import ARCHIVE, Kind
from brushwork_schemas.options import JobOptions

from brushwork.gateway.media_types import PICTURES

Schema = dict[str, Any]
WORDS = r"^[^\u0000]*$"
NOT_BLANK = r"^[^\u0000]*\S[^\u0000]*$"


class KindSchemas:
    """The bodies of every kind.

    Args:
        catalogue: The models that there are.
        addresses: Whether pictures may be given by address.
    """

    def __init__(self, catalogue: Catalogue, *, addresses: bool = False) -> None:
        self._catalogue = catalogue
        self._addresses = addresses

    def submission(self, kind: Kind) -> Schema:
        """One job: its kind, the fields of its request, and the options."""
        properties = {"kind": {"const": kind.name, "type": "string"}, **self.changes(kind)["properties"]}
        required = ["kind", *kind.request_type.model_json_schema().get("required", ())]
        return _object(properties, required, description=_summary(kind))

    def changes(self, kind: Kind) -> Schema:
        """What a retry may change."""
        return _object({**self._request(kind), **_options()}, [])

    def by_product(self, kind: Kind) -> Schema:
        """A batch of each with each."""
        return self._by_lists(kind, "product")

    def by_zip(self, kind: Kind) -> Schema:
        """A batch of the first values together, the second ones, and so on."""
        return self._by_lists(kind, "zip")

    def _by_lists(self, kind: Kind, manner: str) -> Schema:
        # What a kind needs may stand in the template or in the lists: a schema that said so would be long.
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
                    form["pattern"] = NOT_BLANK if name == "prompt" and "default" not in schema else WORDS
        models = self._catalogue.of_kind(kind.name)
        if models:
            _narrow(properties, models)
            self._narrow_special(properties, kind, models)
        for name, sort in kind.files.items():
            if name in properties:
                properties[name] = self._file(name, sort, properties[name])
        return properties

    def _narrow_special(self, properties: dict[str, Schema], kind: Kind, models: list[Model]) -> None:
        known = {name for model in models for name in model.accepts}
        families = {model.family for model in models}
        for name in kind.request_type.SPECIAL - known:
            properties.pop(name, None)
        fitting = {
            sort: [
                each.name for each in self._catalogue.add_ons if each.type == sort and each.family in families
            ]
            for sort in ("lora", "controlnet")
        }
        if "loras" in properties:
            properties["loras"]["items"]["properties"]["name"]["enum"] = fitting["lora"]
        if "controlnet" in properties:
            properties["controlnet"]["anyOf"] = [_choice(fitting["controlnet"]), {"type": "null"}]
        if not fitting["lora"]:
            properties.pop("loras", None)
        if not fitting["controlnet"]:
            for name in ("controlnet", "control_image", "controlnet_conditioning_scale"):
                properties.pop(name, None)

    def _file(self, name: str, sort: str, schema: Schema) -> Schema:
        """How a file is given; `schema` is that of the request, which holds the name alone."""
        described = schema.get("description", "")
        if sort == ARCHIVE:
            named = "SHA-256, in hexadecimal digits, of an archive that the caller brought."
            form = {"type": "string", "format": "archive-sha256", "minLength": 64, "maxLength": 64}
            return {**form, "description": f"{described} {named}"}
        forms = self._picture_forms() + ([{"type": "null"}] if "default" in schema else [])
        return {"anyOf": forms, "description": f"{described} PNG, JPEG or WebP of one frame."}

    def _picture_forms(self) -> list[Schema]:
        named = "SHA-256, in hexadecimal digits, of a file that the caller brought or that its job made."
        itself = f"The picture itself: `data:TYPE;base64,...`; TYPE is {', '.join(PICTURES)}."
        forms: list[Schema] = [
            {"type": "string", "format": "sha256", "minLength": 64, "maxLength": 64, "description": named},
            {"type": "string", "format": "data-url", "description": itself},
        ]
        if self._addresses:
            where = "An http(s) address: fetched once, now, and only from public hosts."
            forms.append({"type": "string", "format": "picture-url", "description": where})
        return forms


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


def _inlined(schema: Any, parts: dict[str, Schema]) -> Any:
    """The schema with what it refers to in place of the references; strings within lists are words."""
    if isinstance(schema, list):
        return [_inlined(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rsplit("/", 1)[1]], parts)
    whole = {name: _inlined(value, parts) for name, value in schema.items()}
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
        # For callers who always send every field.
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


def component_name(kind: Kind, what: str) -> str:
    """What a schema of a kind is called: `TextToImageSubmission`."""
    return kind.name.title().replace("-", "") + what
