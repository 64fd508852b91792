"""Clients that are generated from the contract compile, and work with a real gateway and worker."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.generated_clients import tools
from tests.integration.embedded import Up

PICTURE, TEXT, LABEL = "text-to-image", "image-to-text", "image-classification"


@pytest.fixture(scope="module")
def address(running_up: Up) -> str:
    return running_up.addresses()["BRUSHWORK_GATEWAY_URL"]


@pytest.fixture(scope="module")
def document(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    file.write_bytes(httpx.get(f"{address}/v1/openapi.json").content)
    return file


def check(found: dict[str, Any], address: str) -> None:
    """What a program tells is what the gateway says of its jobs."""
    drawn, changed, text, label = found["told"]
    assert [each["kind"] for each in found["told"]] == [PICTURE, PICTURE, TEXT, LABEL]
    assert (drawn["seeds"], changed["seeds"]) == ([7, 8], [9, 10])
    assert httpx.get(f"{address}/v1/files/{drawn['picture']}").headers["Content-Type"] == "image/png"
    assert "red circle" in text["text"]
    assert label["label"] == "circle"
    first = httpx.get(f"{address}/v1/jobs/{found['retry_of']}").json()
    # One change alone: the number of pictures stays as it was, though it has a default.
    assert found["request"] == {**first["request"], "seed": 9}
    assert found["request"]["num_images_per_prompt"] == 2
    assert found["error"] == {
        "code": "invalid_request", "field": "width", "status": 404, "absent": "job_not_found",
    }  # fmt: skip
    assert found["listed"] == 2


def test_typescript(document: Path, address: str, tmp_path: Path) -> None:
    tools.require(tools.MODULES / "typescript")
    program = tools.typescript_program(document, tmp_path)
    check(json.loads(tools.called("node", program, address, folder=tmp_path)), address)


def test_python(document: Path, address: str, tmp_path: Path) -> None:
    tools.require(tools.ENVIRONMENT / "openapi-python-client")
    told = tools.python_package(document, tmp_path)
    # It has no body of bytes with the type of a picture, and uploads by form.
    assert "1and" not in "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.py"))
    assert told.count("WARNING") == told.count("WARNING parsing POST /v1/files"), told
    tools.python_types(tmp_path)
    program = (tools.HERE / "client.py", address)
    found = json.loads(
        tools.called(tools.ENVIRONMENT / "python", *program, folder=tmp_path, PYTHONPATH=str(tmp_path))
    )
    check(found, address)
    # What is uploaded is stored without the signature, so its bytes have another name.
    assert len(found["uploaded"]) == len(found["told"][0]["picture"]) == 64
    assert found["uploaded"] != found["told"][0]["picture"]
