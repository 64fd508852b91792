"""The gateway keeps what its OpenAPI says: schemathesis with all checks; `make contract` tries more."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brushwork.gateway.application import create_app
from brushwork.gateway.openapi.kind_examples import examples
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.examples import UPLOADED_ARCHIVE
from brushwork_schemas.kinds.registry import all_kinds

from tests.contract.run import run
from tests.contract.words import ARCHIVES
from tests.gateways import gateway, settings_at

# The phase of boundary values is left to `make contract`: it makes thousands of them.
PHASES = "examples,fuzzing,stateful"
FEW = ("--phases", PHASES, "--max-examples", "4", "--seed", "5", "--warnings", "off")


@pytest.fixture
def document(settings: Settings) -> dict[str, Any]:
    return create_app(settings).openapi()


@pytest.fixture
def settings(sqlite_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return settings_at(sqlite_url, tmp_path, redis_url)


def operations(document: dict[str, Any]) -> dict[str, Any]:
    return {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }


def test_schemathesis_finds_nothing(settings: Settings, tmp_path: Path) -> None:
    # Neither its data of former runs nor what it prints is of interest where all went well.
    done = run(settings, tmp_path, *FEW, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases is not None, done.stdout
    assert int(cases[2]) == int(cases[1]) >= 50
    assert "Traceback" not in (tmp_path / "gateway.log").read_text()


def test_every_operation_says_all_there_is_to_say(document: dict[str, Any]) -> None:
    num_methods = sum(len(path) for path in document["paths"].values())
    found = operations(document)
    assert len(found) == num_methods >= 16
    for name, operation in found.items():
        assert {"summary", "tags", "responses"} <= operation.keys(), name
        assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}, name
        problems = [code for code in operation["responses"] if code.isdecimal() and int(code) >= 400]
        assert {"400", "403", "500", "503"} <= set(problems), name
        for code in problems:
            assert "application/problem+json" in operation["responses"][code]["content"], (name, code)
        if operation.get("security", True):
            assert {"401", "429"} <= set(problems), name


def test_bodies_are_told_apart_by_their_kind(document: dict[str, Any]) -> None:
    body = document["components"]["schemas"]["Submission"]
    assert set(body["discriminator"]["mapping"]) == set(all_kinds())
    assert [part["$ref"] for part in body["oneOf"]] == list(body["discriminator"]["mapping"].values())


def test_no_address_leads_out(document: dict[str, Any]) -> None:
    assert re.findall(r'"https?://[^"]*"', str(document).replace("'", '"')) == []


def test_the_examples_work_as_they_stand(settings: Settings, document: dict[str, Any]) -> None:
    content = operations(document)["submit_job"]["requestBody"]["content"]["application/json"]
    assert set(content["examples"]) == set(all_kinds()) == set(examples())
    with gateway(settings) as http:
        brought = http.post("/v1/files", content=ARCHIVES[0], headers={"Content-Type": "application/zip"})
        assert brought.json()["sha256"] == UPLOADED_ARCHIVE
        for example in content["examples"].values():
            answer = http.post("/v1/jobs", json=example["value"])
            assert answer.status_code == 201, answer.text


def test_models_and_kinds_are_listed_with_their_schemas(settings: Settings) -> None:
    with gateway(settings) as http:
        kinds = http.get("/v1/kinds").json()["kinds"]
        assert [kind["name"] for kind in kinds] == list(all_kinds())
        assert all("properties" in kind[part] for kind in kinds for part in ("request", "options", "result"))
        models = http.get("/v1/models", params={"kind": "text-to-image"}).json()["models"]
        assert models[0]["name"] == "pocket-diffusion"
        unknown = http.get("/v1/models", params={"kind": "nonsense"})
        assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_kind")


def test_where_a_model_lies_is_not_told(settings: Settings, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.toml"
    source = f'{{ folder = "{tmp_path}/deep/own" }}'
    catalogue.write_text(f'[models.own]\nfamily = "blip"\nsource = {source}\n')
    with gateway(settings.model_copy(update={"catalogue": catalogue})) as http:
        answer = http.get("/v1/models")
        assert "own" in [model["name"] for model in answer.json()["models"]]
        assert str(tmp_path) not in answer.text


def test_a_wrong_method_is_told_all_the_right_ones(settings: Settings) -> None:
    with gateway(settings) as http:
        assert http.put("/v1/jobs").headers["Allow"] == "GET, HEAD, POST"
        assert http.delete(f"/v1/files/{'0' * 64}").headers["Allow"] == "GET, HEAD"


def schemas_within(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all within it; names of fields and examples are none."""
    if isinstance(schema, list):
        for each in schema:
            yield from schemas_within(each)
    if isinstance(schema, dict):
        yield schema
        for name, value in schema.items():
            if name == "properties":
                yield from schemas_within(list(value.values()))
            elif name not in ("examples", "example", "enum", "default", "const"):
                yield from schemas_within(value)


def test_a_problem_has_its_schema_alone(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for name, operation in operations(document).items():
        for code, answer in operation["responses"].items():
            if code == "default" or int(code) >= 400:
                assert answer["content"] == problem, (name, code)
    properties = document["components"]["schemas"]["Problem"]["properties"]
    # They are left out, never null.
    assert all("anyOf" not in each for each in properties.values())
    assert "code" in document["components"]["schemas"]["Problem"]["required"]


def test_jobs_are_told_apart_by_their_kind(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["JobView"]["discriminator"]["mapping"]) == set(all_kinds())
    for name, reference in schemas["JobView"]["discriminator"]["mapping"].items():
        job = schemas[reference.rsplit("/", 1)[1]]
        assert job["properties"]["kind"]["const"] == name
        assert job["required"] == list(job["properties"])
        result = all_kinds()[name].result_type.__name__
        references = [
            form.get("$ref", "").rsplit("/", 1)[-1] for form in job["properties"]["result"]["anyOf"]
        ]
        assert references == [result, ""]


@pytest.mark.parametrize("what", ["Submission", "Changes", "Template", "Lists"])
def test_a_body_declares_no_defaults(document: dict[str, Any], what: str) -> None:
    bodies = {name: each for name, each in document["components"]["schemas"].items() if name.endswith(what)}
    assert len(bodies) >= len(all_kinds())
    for name, body in bodies.items():
        assert not any("default" in schema for schema in schemas_within(body)), name


def test_names_of_models_are_examples(document: dict[str, Any]) -> None:
    for name, body in document["components"]["schemas"].items():
        if name.endswith(("Submission", "Changes")) and "properties" in body:
            model = body["properties"]["model"]
            assert [form["type"] for form in model["anyOf"]] == ["string", "null"], name
            assert not any("enum" in form for form in model["anyOf"])
            assert model["examples"]
    body = document["components"]["schemas"]["TextToImageSubmission"]["properties"]
    assert "enum" not in str(body["controlnet"])


def test_generators_do_not_stumble(document: dict[str, Any]) -> None:
    for schema in schemas_within(list(document["components"]["schemas"].values())):
        assert isinstance(schema.get("const", ""), str), schema
        assert "prefixItems" not in schema, schema
        if schema.get("type") == "integer":
            bounds = [schema[name] for name in ("minimum", "maximum", "multipleOf") if name in schema]
            assert all(isinstance(bound, int) for bound in bounds), schema


def test_the_example_of_a_job_has_every_field(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    (example,) = schemas["JobView"]["examples"]
    assert set(example) == set(schemas["TextToImageJob"]["required"])
    assert set(example["request"]) == set(schemas["TextToImageRequest"]["required"])
