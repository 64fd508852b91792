"""Schemas of jobs: one for each kind, so that `kind` tells a client the types of request and result."""

from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from brushwork.gateway.openapi.answer_schemas import Schema, of_answer
from brushwork.gateway.openapi.kind_examples import job_example
from brushwork.gateway.openapi.kind_schemas import REF, component_name, kind_property, ref, union_of_kinds

REFUSED = "RefusedRequest"


def add_jobs(schemas: dict[str, Schema]) -> None:
    """Add the jobs of all kinds with their requests and results. `JobView` becomes their union.

    Args:
        schemas: All component schemas; changed in place.
    """
    kinds = list(all_kinds().values())
    types = [*(kind.request_type for kind in kinds), *(kind.result_type for kind in kinds)]
    # The references, for two plug-ins may have classes of one name.
    refs, definitions = models_json_schema([(each, "serialization") for each in types], ref_template=REF)
    schemas.update({name: of_answer(each) for name, each in definitions["$defs"].items()})
    for each in types:
        _release(schemas[refs[each, "serialization"]["$ref"].rpartition("/")[2]], each)
    schemas[REFUSED] = {
        "type": "object",
        "description": "What a bare Celery message contained that no request can be made of, as it was sent.",
    }
    whole = schemas["JobView"]
    for kind in kinds:
        request, result = (refs[each, "serialization"] for each in (kind.request_type, kind.result_type))
        schemas[component_name(kind, "Job")] = _job_of(kind, whole, request, result)
    schemas["JobView"] = {
        **union_of_kinds("Job"),
        "description": whole["description"],
        "examples": [job_example()],
    }


def _release(schema: Schema, model: type[BaseModel]) -> None:
    """Release the fields that a stored request leaves out while they have no effect."""
    released = {name for name, field in model.model_fields.items() if field.exclude_if is not None}
    schema["required"] = [name for name in schema.get("required", ()) if name not in released]


def _job_of(kind: Kind, whole: Schema, request: Schema, result: Schema) -> Schema:
    described = whole["properties"]
    properties = {
        **described,
        "kind": kind_property(kind),
        "request": {**described["request"], "anyOf": [request, ref(REFUSED)]},
        "result": {**described["result"], "anyOf": [result, {"type": "null"}]},
    }
    return {**whole, "title": component_name(kind, "Job"), "properties": properties}
