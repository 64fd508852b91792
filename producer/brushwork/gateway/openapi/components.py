"""The component schemas of the OpenAPI document that depend on the kinds of jobs."""

from typing import Any, Literal

from brushwork_schemas.kinds.registry import all_kinds
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from brushwork.gateway.bodies.batch import MOST_JOBS
from brushwork.gateway.openapi.kind_examples import JOB
from brushwork.gateway.openapi.kind_schemas import KindSchemas, Schema, component_name

REF = "#/components/schemas/{model}"
Mode = Literal["validation", "serialization"]


def ref(name: str) -> Schema:
    """Return a reference to a component schema."""
    return {"$ref": REF.format(model=name)}


def bodies(kinds: KindSchemas) -> dict[str, Schema]:
    """Return the schemas of the bodies that submit, change and repeat jobs."""
    builders = {
        "Submission": kinds.submission,
        "Changes": kinds.changes,
        "BatchByProduct": kinds.by_product,
        "BatchByZip": kinds.by_zip,
    }
    found = {
        component_name(kind, what): build(kind)
        for what, build in builders.items()
        for kind in all_kinds().values()
    }
    submissions = {kind.name: ref(component_name(kind, "Submission")) for kind in all_kinds().values()}
    found["Submission"] = {
        "oneOf": list(submissions.values()),
        "discriminator": {
            "propertyName": "kind",
            "mapping": {name: part["$ref"] for name, part in submissions.items()},
        },
    }
    found["SubmissionForm"] = kinds.form()
    found["Changes"] = {"anyOf": _of_each_kind("Changes")}
    found["BatchOfRequests"] = {
        "type": "object",
        "properties": {
            "requests": {"type": "array", "items": ref("Submission"), "minItems": 1, "maxItems": MOST_JOBS}
        },
        "required": ["requests"],
        "additionalProperties": False,
    }
    lists = [*_of_each_kind("BatchByProduct"), *_of_each_kind("BatchByZip")]
    found["Batch"] = {"anyOf": [ref("BatchOfRequests"), *lists]}
    return found


def add_requests_and_results(schemas: dict[str, Schema]) -> None:
    """Add the requests and results of all kinds, and say in the schema of a job that it has them.

    Args:
        schemas: All component schemas; changed in place.
    """
    models: list[tuple[type[BaseModel], Mode]] = [
        *((kind.request_type, "validation") for kind in all_kinds().values()),
        *((kind.result_type, "serialization") for kind in all_kinds().values()),
    ]
    # The references, for two plug-ins may have classes of one name.
    refs, definitions = models_json_schema(models, ref_template=REF)
    schemas.update(definitions["$defs"])
    requests = [refs[kind.request_type, "validation"] for kind in all_kinds().values()]
    results = [refs[kind.result_type, "serialization"] for kind in all_kinds().values()]
    job = schemas["JobView"]["properties"]
    # A refused request is stored as it was sent. A newer worker may write a result with more fields.
    job["request"]["anyOf"] = [*requests, {"type": "object"}]
    job["result"]["anyOf"] = [*results, {"type": "object"}, {"type": "null"}]
    schemas["JobView"]["examples"] = [JOB]


def _of_each_kind(what: str) -> list[Any]:
    return [ref(component_name(kind, what)) for kind in all_kinds().values()]
