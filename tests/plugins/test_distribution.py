"""A separate distribution adds a kind and two families. They work everywhere; no file of ours names them."""

import base64
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.browser.chromium import LAUNCH, program
from tests.fresh_environment import ROOT, Environment
from tests.integration.embedded import Up
from tests.servers import wait_until

KIND = "image-posterization"
MODULE = "brushwork_posterize"
CLASSIFYING, FAMILY_MODEL = "image-classification", "brightness"
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment.made(tmp_path_factory.mktemp("plugin"), ROOT, ROOT / "tests" / "plugin_distribution")


@pytest.fixture(scope="module")
def up(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data = tmp_path_factory.mktemp("plugin_stack") / "data"
    kinds = f"{KIND},image-classification"
    models = {"BRUSHWORK_MODELS": "posterizer,brightness"}
    options = ("--port", "0", "--kinds", kinds)
    with Up(data, *options, environment=models, python=environment.python) as running:
        yield running.ready()


@pytest.fixture
def http(up: Up) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=up.addresses()["BRUSHWORK_GATEWAY_URL"], timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture file: 64 x 64 pixels, from black on the left to white on the right."""
    file = tmp_path_factory.mktemp("pictures") / "ramp.png"
    Image.linear_gradient("L").rotate(90).resize((64, 64)).convert("RGB").save(file)
    return file


def address(file: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"


def ended(http: httpx.Client, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = {}

    def is_ended() -> bool:
        answer = http.get(f"/v1/jobs/{job_id}")
        job.update(answer.json() if answer.status_code == 200 else {})
        return job.get("state") not in (None, "queued", "running")

    wait_until(is_ended, bound_s=60, what="the end of the job")
    return job


def test_the_client_gets_typed_results_of_both_families(environment: Environment, up: Up, ramp: Path) -> None:
    script = f"""
import json, sys
from brushwork import Client
from brushwork_posterize.kind import PosterizationResult
with Client() as client:
    job = client.wait(client.submit("{KIND}", image={str(ramp)!r}, num_levels=2).id, timeout_s=60)
    assert isinstance(job.result, PosterizationResult), job
    picture = job.result.image.pil()
    light = picture.resize((8, 8)).point(lambda _: 250)
    bright = client.submit("image-classification", model="brightness", image=light)
    found = client.wait(bright.id, timeout_s=60).result
    print(json.dumps({{
        "colours": sorted({{colour for _, colour in picture.getcolors()}}),
        "table": [each.colour for each in job.result.colours],
        "best": found.predictions[0].label,
        "model": job.model,
    }}))
"""
    said = json.loads(environment.run("-c", script, **up.addresses()))
    assert said["colours"] == [[0, 0, 0], [255, 255, 255]]
    assert sorted(said["table"]) == ["#000000", "#ffffff"]
    assert (said["best"], said["model"]) == ("bright", "posterizer")


def test_http_has_it_in_routes_openapi_and_lists(http: httpx.Client, ramp: Path) -> None:
    answer = http.post("/v1/jobs", json={"kind": KIND, "image": address(ramp), "num_levels": 3})
    assert answer.status_code == 201, answer.text
    job = ended(http, answer.json()["id"])
    assert job["state"] == "succeeded", job
    assert len(job["result"]["colours"]) == 3
    document = http.get("/v1/openapi.json").json()
    assert "ImagePosterizationSubmission" in document["components"]["schemas"]
    submit = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    assert submit["examples"][KIND]["value"]["num_levels"] == 3
    kinds = {kind["name"]: kind for kind in http.get("/v1/kinds").json()["kinds"]}
    assert kinds[KIND]["default_model"] == "posterizer"
    refused = http.post("/v1/jobs", json={"kind": KIND, "image": address(ramp), "num_levels": 99})
    assert (refused.status_code, refused.json()["field"]) == (422, "num_levels")


def test_the_page_has_its_form_and_shows_picture_and_table(up: Up, ramp: Path) -> None:
    found = program()
    if found is None:
        pytest.skip("there is no chromium here (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=LAUNCH)
        page = browser.new_page(base_url=up.addresses()["BRUSHWORK_GATEWAY_URL"], locale="en-GB")
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"/?kind={KIND}")
        expect(page.locator("main")).to_contain_text("Posterize a picture")
        page.locator("input[type=file][name=image]").set_input_files(str(ramp))
        more = page.locator("details summary").first
        if not page.locator("[name=num_levels]").is_visible():
            more.click()
        page.locator("[name=num_levels]").fill("2")
        page.locator("#submit").click()
        expect(page.locator("body")).to_contain_text("#ffffff", timeout=PATIENCE_MS)
        expect(page.locator("table").first).to_contain_text("Share")
        assert page.locator("#job img").count() >= 1
        browser.close()


def test_a_bare_celery_message_is_enough(up: Up, http: httpx.Client, ramp: Path) -> None:
    app = Celery("foreign", broker=up.addresses()["BRUSHWORK_REDIS_URL"], set_as_current=False)
    words = {"image": address(ramp), "num_levels": 2}
    of_the_kind = app.send_task(f"brushwork.{KIND}", kwargs=words, queue=KIND)
    words = {"image": address(ramp), "model": FAMILY_MODEL}
    of_the_family = app.send_task(f"brushwork.{CLASSIFYING}", kwargs=words, queue=CLASSIFYING)
    app.close()
    job = ended(http, of_the_kind.id)
    assert (job["kind"], job["state"]) == (KIND, "succeeded")
    job = ended(http, of_the_family.id)
    assert (job["model"], job["state"]) == (FAMILY_MODEL, "succeeded")


def test_the_command_line_submits_and_shows_it(environment: Environment, up: Up, ramp: Path) -> None:
    command = ("-m", "brushwork")
    assert KIND in environment.run(*command, "kinds", **up.addresses())
    asked = ("submit", KIND, f"image={ramp}", "num_levels=2", "--wait")
    shown = environment.run(*command, *asked, **up.addresses())
    assert "#ffffff" in shown, shown
    assert KIND in environment.run(*command, "jobs", **up.addresses())
    asked = ("submit", CLASSIFYING, f"image={ramp}", f"model={FAMILY_MODEL}", "--wait")
    shown = environment.run(*command, *asked, **up.addresses())
    assert "bright" in shown, shown
    assert FAMILY_MODEL in environment.run(*command, "models", "list", **up.addresses())


def test_a_new_family_of_an_existing_kind_works_over_http_and_on_the_page(
    http: httpx.Client, ramp: Path
) -> None:
    listed = http.get("/v1/models", params={"kind": CLASSIFYING}).json()["models"]
    assert FAMILY_MODEL in [model["name"] for model in listed]
    answer = http.post("/v1/jobs", json={"kind": CLASSIFYING, "model": FAMILY_MODEL, "image": address(ramp)})
    job = ended(http, answer.json()["id"])
    assert [each["label"] for each in job["result"]["predictions"]] in (
        ["bright", "dark"],
        ["dark", "bright"],
    )
    assert FAMILY_MODEL in http.get("/", params={"kind": CLASSIFYING}).text
    assert "bright" in http.get(f"/jobs/{job['id']}").text
    wait_until(
        lambda: f'model="{FAMILY_MODEL}"' in http.get("/metrics").text,
        bound_s=60,
        what="the model in /metrics",
    )


def test_the_fake_client_answers_with_its_sample(environment: Environment, ramp: Path) -> None:
    script = f"""
from brushwork.testing import FakeClient
with FakeClient() as client:
    job = client.submit("{KIND}", image={str(ramp)!r}, num_levels=2)
    client.run_all()
    result = client.get(job.id).result
    print(type(result).__name__, result.colours[0].colour, result.image.width)
"""
    assert environment.run("-c", script).split() == ["PosterizationResult", "#808080", "64"]


def test_metrics_and_flower_count_it(up: Up, http: httpx.Client, ramp: Path) -> None:
    answer = http.post("/v1/jobs", json={"kind": KIND, "image": address(ramp)})
    job_id = ended(http, answer.json()["id"])["id"]
    wait_until(
        lambda: any(
            f'kind="{KIND}"' in line and line.startswith("brushwork_attempts_total")
            for line in http.get("/metrics").text.splitlines()
        ),
        bound_s=60,
        what="the job in /metrics",
    )
    with httpx.Client(base_url=up.addresses()["BRUSHWORK_FLOWER_URL"], timeout=60) as flower:
        wait_until(lambda: job_id in flower.get("/api/tasks").json(), bound_s=60, what="the task in Flower")
        assert flower.get("/api/tasks").json()[job_id]["name"] == f"brushwork.{KIND}"


def test_no_file_of_ours_names_it() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    own = [
        name
        for name in listed.splitlines()
        if name.startswith(("schemas/", "core/", "producer/", "workers/", "pyproject.toml"))
    ]
    assert len(own) > 300
    naming = [
        name
        for name in own
        if any(word in (ROOT / name).read_bytes() for word in (KIND.encode(), MODULE.encode(), b"posteriz"))
    ]
    assert naming == []


def test_its_input_is_a_picture_and_its_output_has_the_same_size(http: httpx.Client, ramp: Path) -> None:
    answer = http.post("/v1/jobs", json={"kind": KIND, "image": address(ramp), "num_levels": 2})
    job = ended(http, answer.json()["id"])
    stored = http.get(f"/v1/files/{job['result']['image']['sha256']}").content
    assert Image.open(io.BytesIO(stored)).size == (64, 64)
