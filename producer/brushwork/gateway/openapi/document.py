"""The OpenAPI document of the gateway: FastAPI's document, completed with kinds, errors and examples."""

from collections.abc import Iterator
from http import HTTPStatus

from brushwork_core.media.archive_type import ENDINGS
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.registry import all_kinds

from brushwork.gateway.media_types import FORM, JSON, PICTURES
from brushwork.gateway.openapi.answer_schemas import Schema
from brushwork.gateway.openapi.components import completed_components
from brushwork.gateway.openapi.kind_examples import examples
from brushwork.gateway.openapi.kind_schemas import KindSchemas, ref
from brushwork.gateway.problems import MEDIA_TYPE, codes_of

# Operations that need no API key.
PUBLIC = ("alive", "ready")
TAGS = {
    "jobs": "Submit jobs, follow them, and find them again.",
    "files": "Upload pictures and archives, and download what jobs made. Files are named by their SHA-256.",
    "catalogue": "The models and the kinds of jobs.",
    "workers": "The workers and the queues.",
    "reviews": "Results that policies hold until a reviewer decides.",
    "health": "For monitoring.",
}
PROBLEM: Schema = {MEDIA_TYPE: {"schema": ref("Problem")}}
# Statuses of an operation beyond those that follow from its parameters.
PROBLEMS: dict[str, tuple[int, ...]] = {
    "submit_job": (409, 413, 415),
    "submit_batch": (409, 413, 415),
    "retry_job": (409, 413, 415),
    "delete_job": (409,),
    "upload_file": (413, 415, 422),
    "get_file": (416,),
    "read_provenance": (413, 415, 422),
    "get_file_provenance": (422,),
}


def _links(place: str, parameter: str, *operations: str) -> Schema:
    return {name: {"operationId": name, "parameters": {parameter: place}} for name in operations}


# Operations that continue with what an answer contains.
_JOB = _links(
    "$response.body#/id", "job_id", "get_job", "cancel_job", "retry_job", "job_events", "get_preview"
)
LINKS: dict[str, dict[str, Schema]] = {
    "submit_job": {"201": _JOB},
    "retry_job": {"201": _JOB},
    "upload_file": {"201": _links("$response.body#/sha256", "sha256", "get_file", "head_file")},
}


def completed(document: Schema, settings: Settings) -> Schema:
    """Return FastAPI's document with bodies of each kind, problems, security and examples.

    Args:
        document: The document of FastAPI; changed in place.
        settings: Settings of the gateway.
    """
    kinds = KindSchemas(Catalogue.load(settings.catalogue), addresses=settings.image_addresses)
    components = document["components"]
    components["schemas"] = completed_components(components["schemas"], kinds)
    for operation in _operations(document):
        _complete(operation)
    document["components"]["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key. An operator makes one with `brushwork keys create NAME`.",
        }
    }
    document["security"] = [{"bearer": []}]
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    return document


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
    responses["default"] = {"description": "Any other problem.", "content": PROBLEM}
    if name in ("submit_job", "retry_job"):
        responses["200"] = {**responses["201"], "description": "The existing job of the idempotency key."}
        for success in ("200", "201"):
            responses[success] = {**responses[success], "headers": {"Location": _header("Path of the job.")}}
    for followed, links in LINKS.get(name, {}).items():
        responses[followed]["links"] = links
    for parameter in parameters:
        # A query cannot hold null: an optional parameter is left out.
        forms = [form for form in parameter["schema"].pop("anyOf", ()) if form != {"type": "null"}]
        parameter["schema"] |= {**(forms[0] if forms else {}), **_parameter(parameter["name"])}
    if name == "submit_batch":
        responses["200"] = {
            **responses["201"],
            "description": "All jobs existed already: their idempotency keys were used before.",
        }


def _parameter(name: str) -> Schema:
    """Return what the type of a parameter does not say."""
    known: dict[str, Schema] = {
        "kind": {"enum": list(all_kinds())},
        "cursor": {"format": "cursor"},
        "sha256": {"format": "sha256"},
    }
    return known.get(name, {})


def _request_body(name: str) -> Schema | None:
    if name == "submit_job":
        shown = {kind: {"summary": text, "value": value} for kind, (text, value) in examples().items()}
        return _content(
            {JSON: {"schema": ref("Submission"), "examples": shown}, FORM: {"schema": ref("SubmissionForm")}}
        )
    if name == "submit_batch":
        template = {"kind": "text-to-image", "prompt": "a red circle above a blue square"}
        value = {"template": template, "product": {"seed": [1, 2, 3]}}
        return _content({JSON: {"schema": ref("Batch"), "examples": {"three seeds": {"value": value}}}})
    if name == "retry_job":
        return {**_content({JSON: {"schema": ref("Changes"), "example": {}}}), "required": False}
    if name in ("upload_file", "read_provenance"):
        file = {"type": "string", "format": "binary", "minLength": 1}
        form: Schema = {"type": "object", "properties": {"file": file}, "required": ["file"]}
        form["additionalProperties"] = False
        archives = ENDINGS if name == "upload_file" else ()
        files = {media_type: {"schema": file} for media_type in (*PICTURES, *archives)}
        return _content({**files, FORM: {"schema": form}})
    return None


def _content(content: Schema) -> Schema:
    return {"required": True, "content": content}


def _problem(code: int) -> Schema:
    answer: Schema = {
        "description": f"{HTTPStatus(code).phrase}. Codes: {', '.join(codes_of(code))}.",
        "content": PROBLEM,
    }
    if code in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        answer["headers"] = {"Retry-After": _header("Seconds to wait before the next try.", type="integer")}
    return answer


def _header(description: str, type: str = "string") -> Schema:  # noqa: A002 - JSON Schema's own word
    return {"description": description, "schema": {"type": type}}


def _operations(document: Schema) -> Iterator[Schema]:
    for path in document["paths"].values():
        yield from path.values()
