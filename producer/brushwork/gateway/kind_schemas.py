"""JSON Schemas of the bodies that bring jobs, by kind: as narrow as what the gateway takes.

They are made from the catalogue, so that a model's name, its schedulers and its largest side are known to
whoever reads them. Where a kind has several models, a bound is that of the widest.
"""

from copy import deepcopy
from typing import Any

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.kinds import Kind
from brushwork_schemas.options import JobOptions

from brushwork.gateway.picture_source import DATA_TYPES

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
        properties: dict[str, Schema] = deepcopy(kind.request_type.model_json_schema()["properties"])
        for name, schema in properties.items():
            for form in _forms(schema):
                if form.get("type") == "string" and not {"enum", "pattern", "const"} & form.keys():
                    form["pattern"] = NOT_BLANK if name == "prompt" and "default" not in schema else WORDS
        models = self._catalogue.of_kind(kind.name)
        if models:
            _narrow(properties, models)
        if "image" in properties:
            properties["image"] = self._image()
        return properties

    def _image(self) -> Schema:
        named = "SHA-256, in hexadecimal digits, of a file that the caller brought or that its job made."
        itself = f"The picture itself: `data:TYPE;base64,...`; TYPE is {', '.join(DATA_TYPES)}."
        forms: list[Schema] = [
            {"type": "string", "format": "sha256", "minLength": 64, "maxLength": 64, "description": named},
            {"type": "string", "format": "data-url", "description": itself},
        ]
        if self._addresses:
            where = "An http(s) address: fetched once, now, and only from public hosts."
            forms.append({"type": "string", "format": "picture-url", "description": where})
        return {"anyOf": forms, "description": "The picture: PNG, JPEG or WebP of one frame."}


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
        choice = [{"type": "string", "enum": known[name]}] if known[name] else []
        properties[name]["anyOf"] = [*choice, {"type": "null"}]


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
