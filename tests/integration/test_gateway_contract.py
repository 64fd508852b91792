"""The gateway keeps what its OpenAPI says: schemathesis with all checks; `make contract` tries more."""

import re
import subprocess
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
