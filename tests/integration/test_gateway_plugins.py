"""A kind of another distribution in the gateway: routes, forms, batches, OpenAPI, limits."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_folders import run_with, write_sharpness

DOCUMENT = """
import json, sys
from brushwork.gateway.application import create_app
from brushwork_core.settings.settings import Settings
print(json.dumps(create_app(Settings(_env_file=None, database_url=sys.argv[1])).openapi()))
"""
CALLS = """
import io, json, sys
from PIL import Image
from brushwork.gateway.application import create_app
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

settings = Settings(
    _env_file=None, database_url=sys.argv[1], artifacts_url=sys.argv[2], redis_url="redis://127.0.0.1:1/0",
    max_job_cost=1.0,
)
buffer = io.BytesIO()
Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
png, kind = buffer.getvalue(), "picture-sharpness"
with TestClient(create_app(settings), base_url="http://127.0.0.1") as http:
    sha256 = http.post("/v1/files", content=png, headers={"Content-Type": "image/png"}).json()["sha256"]
    file = {"photo": ("photo.png", png, "image/png")}
    bodies = {
        "json": http.post("/v1/jobs", json={"kind": kind, "photo": sha256}),
        "fields": http.post("/v1/jobs", data={"kind": kind, "radius": "3"}, files=file),
        "form": http.post("/v1/jobs", data={"request": json.dumps({"kind": kind, "radius": 4})}, files=file),
        "batch": http.post("/v1/jobs:batch", json={
            "template": {"kind": kind, "photo": sha256}, "product": {"radius": [1, 2]},
        }),
        "wrong": http.post("/v1/jobs", json={"kind": kind, "photo": sha256, "radius": 10}),
        "null": http.post("/v1/jobs", json={"kind": kind, "photo": None}),
        "list": http.get("/v1/jobs", params={"kind": kind}),
        "models": http.get("/v1/models", params={"kind": kind}),
        "kinds": http.get("/v1/kinds"),
        "queues": http.get("/v1/queues"),
    }
print(json.dumps({name: [answer.status_code, answer.json()] for name, answer in bodies.items()}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("plugin")
    write_sharpness(made)
    return made


def test_the_document_has_it_everywhere(folder: Path, sqlite_url: str) -> None:
    document = json.loads(run_with(folder, DOCUMENT, sqlite_url))
    schemas = document["components"]["schemas"]
    kinds = {"Submission", "Changes", "BatchByProduct", "BatchByZip", "Job"}
    assert {f"PictureSharpness{each}" for each in kinds} | {"SharpnessRequest", "SharpnessResult"} <= set(
        schemas
    )
    body = schemas["PictureSharpnessSubmission"]
    assert body["required"] == ["kind", "photo"]
    assert body["properties"]["radius"]["maximum"] == 9
    assert [form.get("format") for form in body["properties"]["photo"]["anyOf"]] == ["sha256", "data-url"]
    assert body["properties"]["model"]["examples"] == ["sharp"]
    mapping = schemas["Submission"]["discriminator"]["mapping"]
    assert mapping["picture-sharpness"].endswith("/PictureSharpnessSubmission")
    assert schemas["SubmissionForm"]["properties"]["photo"]["description"] == "A file of picture-sharpness."
    assert schemas["FormWithPhoto"]["required"] == ["request", "photo"]
    assert schemas["JobView"]["discriminator"]["mapping"]["picture-sharpness"].endswith(
        "/PictureSharpnessJob"
    )
    references = {
        name: [
            form.get("$ref", "").rsplit("/", 1)[-1]
            for form in schemas["PictureSharpnessJob"]["properties"][name]["anyOf"]
        ]
        for name in ("request", "result")
    }
    assert references == {
        "request": ["SharpnessRequest", "RefusedRequest"],
        "result": ["SharpnessResult", ""],
    }
    examples = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples["picture-sharpness"]["value"]["radius"] == 3
    listed = [each for each in document["paths"]["/v1/jobs"]["get"]["parameters"] if each["name"] == "kind"]
    assert "picture-sharpness" in listed[0]["schema"]["enum"]


def test_every_route_takes_it(folder: Path, sqlite_url: str, tmp_path: Path) -> None:
    answers: dict[str, tuple[int, Any]] = json.loads(
        run_with(folder, CALLS, sqlite_url, str(tmp_path / "artifacts"))
    )
    statuses = {name: status for name, (status, _) in answers.items()}
    refused = {"wrong": 422, "null": 422}
    made = dict.fromkeys(("json", "fields", "form", "batch"), 201)
    read = dict.fromkeys(("list", "models", "kinds", "queues"), 200)
    assert statuses == {**made, **read, **refused}, answers
    assert [answers[name][1]["request"]["radius"] for name in ("json", "fields", "form")] == [2, 3, 4]
    assert [job["request"]["radius"] for job in answers["batch"][1]["jobs"]] == [1, 2]
    assert len({answers[name][1]["request"]["photo"] for name in ("json", "fields", "form")}) == 1
    assert (answers["wrong"][1]["code"], answers["wrong"][1]["field"]) == ("invalid_request", "radius")
    assert answers["null"][1]["code"] == "invalid_image"
    assert len(answers["list"][1]["jobs"]) == 5
    assert [model["name"] for model in answers["models"][1]["models"]] == ["sharp"]
    assert "picture-sharpness" in [kind["name"] for kind in answers["kinds"][1]["kinds"]]
    assert {queue["kind"]: queue["in_ledger"] for queue in answers["queues"][1]["queues"]}[
        "picture-sharpness"
    ] >= 0
