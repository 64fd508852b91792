"""The gateway's OpenAPI document: what FastAPI knows of the routes, and what the catalogue knows besides."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from brushwork_core.media.archive_type import ENDINGS
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.registry import all_kinds
from pydantic.json_schema import models_json_schema

from brushwork.gateway.media_types import FORM, JSON, PICTURES
from brushwork.gateway.openapi.kind_examples import JOB, examples
from brushwork.gateway.openapi.kind_schemas import KindSchemas, Schema, component_name
from brushwork.gateway.problems import MEDIA_TYPE

REF = "#/components/schemas/{model}"
PUBLIC = ("alive", "ready")
TAGS = {
    "jobs": "Submit work, follow it, and find it again.",
    "files": "Pictures and data sets in, what jobs made out; named by the SHA-256 of their bytes.",
    "catalogue": "What there is.",
    "workers": "Who does the work, and how much waits.",
    "health": "For those who watch.",
}
# What besides can go wrong, by operation.
PROBLEMS: dict[str, tuple[int, ...]] = {
    "submit_job": (409, 413, 415),
    "submit_batch": (409, 413, 415),
    "retry_job": (409, 413, 415),
    "upload_file": (413, 415, 422),
    "get_file": (416,),
}
# What the types of parameters can't say.
PARAMETERS: dict[str, Schema] = {
    "kind": {"enum": list(all_kinds())},
    "cursor": {"format": "cursor"},
    "sha256": {"format": "sha256"},
}


def _links(place: str, parameter: str, *operations: str) -> Schema:
    return {name: {"operationId": name, "parameters": {parameter: place}} for name in operations}


FORM_BODY: Schema = {
    "type": "object",
    "description": "A request of a kind that takes a picture. In place of `request`, each of its fields may "
    "stand in a field of its own; `mask_image`, `control_image` and `dataset` may be files as well.",
    "properties": {
        "request": {
            "type": "string",
            "format": "json-request",
            "description": "The request and its options as JSON, without `image`.",
        },
        "image": {"type": "string", "format": "binary", "description": "The picture: PNG, JPEG or WebP."},
    },
    "required": ["request", "image"],
    "additionalProperties": False,
}


# Where to go from an answer.
_JOB = _links(
    "$response.body#/id", "job_id", "get_job", "cancel_job", "retry_job", "job_events", "get_preview"
)
LINKS: dict[str, dict[str, Schema]] = {
    "submit_job": {"201": _JOB},
    "retry_job": {"201": _JOB},
    "upload_file": {"201": _links("$response.body#/sha256", "sha256", "get_file", "head_file")},
}


def completed(document: Schema, settings: Settings) -> Schema:
    """FastAPI's document with bodies by kind, problems, security and examples."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(
        _bodies(KindSchemas(Catalogue.load(settings.catalogue), addresses=settings.image_addresses))
    )
    schemas.update(_requests_and_results())
    _narrow_jobs(schemas)
    for operation in _operations(document):
        _complete(operation)
    document["components"]["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "`brushwork keys create NAME` makes one.",
        }
    }
    document["security"] = [{"bearer": []}]
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    return document


def _bodies(kinds: KindSchemas) -> dict[str, Schema]:
    parts = {
        "Submission": kinds.submission,
        "Changes": kinds.changes,
        "BatchByProduct": kinds.by_product,
        "BatchByZip": kinds.by_zip,
    }
    found: dict[str, Schema] = {
        component_name(kind, what): make(kind)
        for what, make in parts.items()
        for kind in all_kinds().values()
    }
    by_kind = {kind.name: _ref(component_name(kind, "Submission")) for kind in all_kinds().values()}
    found["Submission"] = {
        "oneOf": list(by_kind.values()),
        "discriminator": {
            "propertyName": "kind",
            "mapping": {name: part["$ref"] for name, part in by_kind.items()},
        },
    }
    found["Changes"] = {"anyOf": [_ref(component_name(kind, "Changes")) for kind in all_kinds().values()]}
    found["BatchOfRequests"] = {
        "type": "object",
        "properties": {
            "requests": {"type": "array", "items": _ref("Submission"), "minItems": 1, "maxItems": 1000}
        },
        "required": ["requests"],
        "additionalProperties": False,
    }
    lists = [
        _ref(component_name(kind, what))
        for what in ("BatchByProduct", "BatchByZip")
        for kind in all_kinds().values()
    ]
    found["Batch"] = {"anyOf": [_ref("BatchOfRequests"), *lists]}
    return found


def _requests_and_results() -> dict[str, Schema]:
    wanted: list[Any] = [(kind.request_type, "validation") for kind in all_kinds().values()]
    wanted += [(kind.result_type, "serialization") for kind in all_kinds().values()]
    _, definitions = models_json_schema(wanted, ref_template=REF)
    found: dict[str, Schema] = definitions["$defs"]
    return found


def _narrow_jobs(schemas: dict[str, Schema]) -> None:
    """Say what a job's request and result are, which its type leaves open."""
    job = schemas["JobView"]["properties"]
    requests = [_ref(kind.request_type.__name__) for kind in all_kinds().values()]
    results = [_ref(kind.result_type.__name__) for kind in all_kinds().values()]
    # A request that was refused is as its sender wrote it; a result of tomorrow's may have more to it.
    job["request"]["anyOf"] = [*requests, {"type": "object"}]
    job["result"]["anyOf"] = [*results, {"type": "object"}, {"type": "null"}]
    schemas["JobView"]["examples"] = [JOB]


def _complete(operation: Schema) -> None:
    name = operation["operationId"]
    responses = operation["responses"]
    body = _request_body(name)
    if body is not None:
        operation["requestBody"] = body
    codes = {400, 403, 500, 503, *PROBLEMS.get(name, ())}
    if name in PUBLIC:
        operation["security"] = []
    else:
        codes |= {401, 429}
    parameters = operation.get("parameters", [])
    codes |= {404} if any(each["in"] == "path" for each in parameters) else set()
    codes |= {422} if parameters or body is not None else set()
    for code in sorted(codes - {int(known) for known in responses if known.isdecimal()}):
        responses[str(code)] = _problem(code)
    if name in ("submit_job", "retry_job"):
        responses["200"] = {**responses["201"], "description": "The job that the idempotency key stands for."}
        for success in ("200", "201"):
            responses[success] = {**responses[success], "headers": {"Location": _header("Where the job is.")}}
    for followed, links in LINKS.get(name, {}).items():
        responses[followed]["links"] = links
    for parameter in parameters:
        # What is left out of a query is not null.
        forms = [form for form in parameter["schema"].pop("anyOf", ()) if form != {"type": "null"}]
        parameter["schema"] |= {**(forms[0] if forms else {}), **PARAMETERS.get(parameter["name"], {})}
    if name == "submit_batch":
        responses["200"] = {**responses["201"], "description": "All of these jobs were there before."}


def _request_body(name: str) -> Schema | None:
    if name == "submit_job":
        shown = {kind: {"summary": text, "value": value} for kind, (text, value) in examples().items()}
        return _content(
            {JSON: {"schema": _ref("Submission"), "examples": shown}, FORM: {"schema": FORM_BODY}}
        )
    if name == "submit_batch":
        template = {"kind": "text-to-image", "prompt": "a red circle above a blue square"}
        value = {"template": template, "product": {"seed": [1, 2, 3]}}
        return _content({JSON: {"schema": _ref("Batch"), "examples": {"three seeds": {"value": value}}}})
    if name == "retry_job":
        return {**_content({JSON: {"schema": _ref("Changes"), "example": {}}}), "required": False}
    if name == "upload_file":
        file = {"type": "string", "format": "binary", "minLength": 1}
        form: Schema = {"type": "object", "properties": {"file": file}, "required": ["file"]}
        form["additionalProperties"] = False
        files = {media_type: {"schema": file} for media_type in (*PICTURES, *ENDINGS)}
        return _content({**files, FORM: {"schema": form}})
    return None


def _content(content: Schema) -> Schema:
    return {"required": True, "content": content}


def _problem(code: int) -> Schema:
    answer: Schema = {
        "description": HTTPStatus(code).phrase,
        "content": {MEDIA_TYPE: {"schema": _ref("Problem")}},
    }
    if code in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        answer["headers"] = {"Retry-After": _header("Seconds.", type="integer")}
    return answer


def _header(description: str, type: str = "string") -> Schema:  # noqa: A002 - JSON Schema's own word
    return {"description": description, "schema": {"type": type}}


def _operations(document: Schema) -> Iterator[Schema]:
    for path in document["paths"].values():
        yield from path.values()


def _ref(name: str) -> Schema:
    return {"$ref": REF.format(model=name)}
