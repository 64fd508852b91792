"""The page's forms without a browser: what they offer and take, and how they refuse."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from brushwork import Client
from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import Job
from brushwork_schemas.worker import WorkerEntry
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import gateway
from tests.pages import COOKIE, PROMPT, ended, stored, submitted

pytestmark = pytest.mark.one_database(
    "the ledger is tested on both, and test_gateway_routes calls every route on both"
)


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with gateway(settings, follow_redirects=False) as client:
        yield client


def test_a_form_submits_and_leads_to_the_job(http: TestClient) -> None:
    answer = http.post("/jobs", data={"kind": "text-to-image", "prompt": PROMPT, "seed": "7"})
    assert answer.status_code == 303
    shown = http.get(answer.headers["Location"]).text
    assert "a &lt;b&gt;red&lt;/b&gt; &#34;circle&#34; &amp; {{ 7 * 7 }}" in shown
    assert "<b>red" not in shown
    assert "data-events" in shown


def test_a_picture_comes_as_a_file_of_the_form(http: TestClient) -> None:
    answer = http.post(
        "/jobs", data={"kind": "image-to-text"}, files={"image": ("a.png", png(), "image/png")}
    )
    assert answer.status_code == 303
    assert "/v1/files/" in http.get(answer.headers["Location"]).text


def test_what_is_refused_comes_back_with_the_reason_at_its_field(http: TestClient) -> None:
    answer = http.post("/jobs", data={"kind": "text-to-image", "prompt": PROMPT, "width": "20"})
    assert answer.status_code == 422
    assert 'id="field-width-error"' in answer.text
    assert re.search(r'id="field-width"[^>]*aria-invalid="true"[^>]*value="20"', answer.text)
    assert "{{ 7 * 7 }}</textarea>" in answer.text


def test_a_field_under_more_settings_is_unfolded_when_it_is_wrong(http: TestClient) -> None:
    answer = http.post("/jobs", data={"kind": "text-to-image", "prompt": "a", "deadline_s": "-1"})
    assert answer.status_code == 422
    assert '<details class="more" open>' in answer.text


@pytest.mark.parametrize(
    "form", [{"kind": "nonsense"}, {"kind": "image-to-text", "image_sha256": "/etc/passwd"}]
)
def test_nonsense_is_refused_in_words(http: TestClient, form: dict[str, str]) -> None:
    answer = http.post("/jobs", data=form)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_picture_is_kept_when_something_else_was_wrong(http: TestClient) -> None:
    wrong = {"kind": "image-to-text", "max_new_tokens": "0"}
    answer = http.post("/jobs", data=wrong, files={"image": ("a.png", png(), "image/png")})
    assert answer.status_code == 422
    found = re.search(r'name="image_sha256" value="([0-9a-f]{64})"', answer.text)
    assert found is not None
    again = http.post("/jobs", data={"kind": "image-to-text", "image_sha256": found[1]})
    assert again.status_code == 303


def test_files_are_kept_when_something_else_was_wrong(http: TestClient) -> None:
    files = {"dataset": ("animals.zip", b"PK\x03\x04 animals", "application/zip")}
    form = {"kind": "image-classification-training", "learning_rate": "fast"}
    refused = http.post("/jobs", data=form, files=files)
    assert refused.status_code == 422
    (name,) = re.findall(r'name="dataset_sha256" value="([0-9a-f]{64})"', refused.text)
    form = {"kind": "image-classification-training", "dataset_sha256": name}
    assert http.post("/jobs", data=form).status_code == 303
    wrong = http.post("/jobs", data={"kind": "image-classification-training"}, files={"dataset": png()})
    assert "Not a zip or tar" in wrong.text


def test_a_picture_that_is_too_large_is_refused_beside_archives_that_may_be(settings: Settings) -> None:
    bounded = settings.model_copy(update={"max_upload_bytes": 4096, "max_dataset_bytes": 65536})
    form = {"kind": "image-classification-training"}
    with gateway(bounded, follow_redirects=False) as http:
        picture = http.post("/jobs", data={"kind": "image-to-text"}, files={"image": bytes(8192)})
        assert picture.status_code == 413
        archive = http.post("/jobs", data=form, files={"dataset": b"PK\x03\x04".ljust(8192)})
        assert archive.status_code == 303


def test_a_form_that_is_too_large_is_answered_by_a_page(settings: Settings) -> None:
    bounded = settings.model_copy(update={"max_upload_bytes": 4096, "max_dataset_bytes": 4096})
    form = {"data": {"kind": "image-to-text"}, "files": {"image": ("picture.png", bytes(8192), "image/png")}}
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "zh"}
    with gateway(bounded) as http:
        answer = http.post("/jobs", **form, headers=browser)  # type: ignore[arg-type]
        assert answer.status_code == 413
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "请求体超过上限 4096 字节。" in answer.text
        assert '<html lang="zh' in answer.text
        by_program = http.post("/jobs", **form, headers={"Accept": "*/*"})  # type: ignore[arg-type]
        assert (by_program.status_code, by_program.json()["code"]) == (413, "payload_too_large")
        api = http.post("/v1/jobs", **form, headers=browser)  # type: ignore[arg-type]
        assert (api.status_code, api.json()["code"]) == (413, "payload_too_large")


def test_a_page_too_says_when_to_come_again(http: TestClient, database: Database) -> None:
    http.cookies.set(COOKIE, ApiKeys(database).create("slow", max_open_jobs=1, requests_per_minute=3))
    form = {"kind": "text-to-image", "prompt": "x"}
    accepted, full = (http.post("/jobs", data=form) for _ in range(2))
    assert (accepted.status_code, full.status_code) == (303, 429)
    assert int(full.headers["Retry-After"]) >= 1
    assert http.get("/").status_code == 200
    often = http.get("/")
    assert (often.status_code, often.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert int(often.headers["Retry-After"]) >= 1


def test_a_job_leads_to_others(http: TestClient, settings: Settings) -> None:
    job, picture = submitted(settings, seed=7), stored(settings, png())
    ended(settings, job, {"images": [picture.model_dump()], "seed": 7, "seeds": [7]}, picture)
    with Client(settings=settings) as client:

        def led(path: str, **form: str) -> Job:
            answer = http.post(f"/jobs/{job.id}/{path}", data=form)
            return client.get(answer.headers["Location"].rpartition("/")[2])

        assert led("again").request == job.request
        other = led("again", seed="new")
        assert other.request.seed != 7
        assert other.retry_of == job.id
        caption = led("next", kind="image-to-text", image=picture.sha256, language="zh")
        assert (caption.request.image, caption.request.language) == (picture.sha256, "zh")
    assert http.get(f"/?again={job.id}").text.count('value="7"') == 1


def test_a_job_that_waits_is_canceled(http: TestClient, settings: Settings) -> None:
    job = submitted(settings)
    assert "No worker serves this kind and model now" in http.get(f"/jobs/{job.id}").text
    assert http.post(f"/jobs/{job.id}/cancel").headers["Location"] == f"/jobs/{job.id}"
    assert "is-canceled" in http.get(f"/jobs/{job.id}").text


def test_a_form_says_which_models_no_worker_has(http: TestClient, database: Database) -> None:
    before = http.get("/?kind=image-upscaling").text
    assert "No worker has a model for this kind now." in before
    assert "(on no worker now)" in before
    worker = WorkerEntry("w", ("image-upscaling",), ("swin2sr-x2",), "cpu", ready=True)
    WorkerRegistry(database).announce(worker)
    with_one = http.get("/?kind=image-classification").text
    assert "No worker has a model for this kind now." in with_one


def test_what_the_chosen_model_does_not_know_is_marked(settings: Settings, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text('[models.own]\nfamily = "clip"\nsource = { folder = "own" }\n')
    with gateway(settings.model_copy(update={"catalogue": catalogue})) as http:
        form = http.get("/?kind=image-classification&model=own").text
        other = http.get("/?kind=image-classification&model=pocket-classifier").text
    for shown, unknown in ((form, False), (other, True)):
        (field,) = re.findall(r"<div class=\"field name-candidate_labels[^>]*>", shown)
        assert "own" in field
        assert ("data-unknown" in field) is unknown
