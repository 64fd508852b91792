"""The component schemas of the OpenAPI document that depend on the kinds of jobs."""

from brushwork_schemas.kinds.registry import all_kinds

from brushwork.gateway.bodies.batch import MOST_JOBS
from brushwork.gateway.openapi.answer_schemas import Schema, of_answer, of_problem
from brushwork.gateway.openapi.form_schemas import forms
from brushwork.gateway.openapi.job_schemas import add_jobs
from brushwork.gateway.openapi.kind_schemas import (
    KindSchemas,
    component_name,
    of_each_kind,
    ref,
    union_of_kinds,
)

FIELD_PROBLEM = "FieldProblem"


def completed_components(answers: dict[str, Schema], kinds: KindSchemas) -> dict[str, Schema]:
    """Return all component schemas.

    Args:
        answers: Those of FastAPI, which are schemas of answers: the bodies of requests are described here.
        kinds: Schemas of the bodies, by kind.
    """
    schemas = {name: of_answer(each) for name, each in answers.items()}
    schemas["Problem"] = of_problem(answers["Problem"])
    # A job has these too, but writes null.
    schemas[FIELD_PROBLEM] = {**of_problem(answers["FieldError"]), "title": FIELD_PROBLEM}
    schemas["Problem"]["properties"]["errors"]["items"] = ref(FIELD_PROBLEM)
    add_jobs(schemas)
    # A problem leaves out what is null in it, and a job does not.
    wrong = schemas["FieldError"]
    wrong["required"] = [name for name, each in wrong["properties"].items() if "anyOf" not in each]
    return schemas | _bodies(kinds)


def _bodies(kinds: KindSchemas) -> dict[str, Schema]:
    """Return the schemas of the bodies that submit, change and repeat jobs."""
    builders = {
        "Submission": kinds.submission,
        "Changes": kinds.changes,
        "Template": kinds.template,
        "Lists": kinds.lists,
        "BatchByProduct": kinds.by_product,
        "BatchByZip": kinds.by_zip,
    }
    found = {
        component_name(kind, what): build(kind)
        for what, build in builders.items()
        for kind in all_kinds().values()
    }
    found["Submission"] = union_of_kinds("Submission")
    found |= forms(kinds)
    found["Changes"] = {"anyOf": of_each_kind("Changes")}
    found["BatchOfRequests"] = {
        "type": "object",
        "properties": {
            "requests": {"type": "array", "items": ref("Submission"), "minItems": 1, "maxItems": MOST_JOBS}
        },
        "required": ["requests"],
        "additionalProperties": False,
    }
    lists = [*of_each_kind("BatchByProduct"), *of_each_kind("BatchByZip")]
    found["Batch"] = {"anyOf": [ref("BatchOfRequests"), *lists]}
    return found
