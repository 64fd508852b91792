"""The page's views without a browser: what they show, to whom, and what they refuse."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brushwork import Client
from brushwork_schemas.api_keys import ApiKeys, Scope
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.database import Database
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.ledger import Ledger
from brushwork_schemas.roster import Roster, WorkerEntry
from brushwork_schemas.settings import Settings
from PIL import Image
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import gateway, key
from tests.jobs import result_of

PROMPT = 'a <b>red</b> "circle" & {{ 7 * 7 }}'
COOKIE = "brushwork_key"


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with gateway(settings, follow_redirects=False) as client:
        yield client


def submitted(settings: Settings, kind: str = "text-to-image", **parameters: Any) -> Job:
    given: dict[str, Any] = {"prompt": PROMPT} if kind == "text-to-image" else {"image": png()}
    with Client(settings=settings) as client:
        said = {name: value for name, value in {**given, **parameters}.items() if value is not None}
        return client.submit(kind, **said)


def ended(settings: Settings, job: Job, result: dict[str, Any], *pictures: Artifact) -> None:
    """Give the job a result, as a worker would."""
    database = Database(settings.database_url.get_secret_value())
    try:
        ledger = Ledger(database)
        claim = ledger.claim(job.id, "w")
        assert claim is not None
        assert ledger.complete(job.id, claim.fence, {**result_of(1), **result}, list(pictures))
    finally:
        database.close()


def encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def stored(settings: Settings, data: bytes) -> Artifact:
    return ArtifactStore(settings.artifacts_url).put_picture(data)


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


def test_a_picture_is_kept_when_something_else_was_wrong(http: TestClient) -> None:
    wrong = {"kind": "image-to-text", "max_new_tokens": "0"}
    answer = http.post("/jobs", data=wrong, files={"image": ("a.png", png(), "image/png")})
    assert answer.status_code == 422
    found = re.search(r'name="image_sha256" value="([0-9a-f]{64})"', answer.text)
    assert found is not None
    again = http.post("/jobs", data={"kind": "image-to-text", "image_sha256": found[1]})
    assert again.status_code == 303


@pytest.mark.parametrize(
    "form", [{"kind": "nonsense"}, {"kind": "image-to-text", "image_sha256": "/etc/passwd"}]
)
def test_nonsense_is_refused_in_words(http: TestClient, form: dict[str, str]) -> None:
    answer = http.post("/jobs", data=form)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("text/html")


def test_the_gallery_filters_and_turns_pages(http: TestClient, settings: Settings) -> None:
    with Client(settings=settings) as client:
        client.submit_many({"kind": "text-to-image", "prompt": f"circle {n}"} for n in range(60))
    page = http.get("/gallery").text
    assert page.count('class="card ') == 48
    older = re.search(r'href="(/gallery\?cursor=[^"]+)" rel="next"', page)
    assert older is not None
    second = http.get(older[1]).text
    assert second.count('class="card ') == 12
    assert 'rel="next"' not in second
    assert http.get("/gallery?text=CIRCLE+59&kind=text-to-image").text.count('class="card ') == 1
    assert "Nothing found" in http.get("/gallery?state=failed").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs/unknown", 404),
        ("/gallery?state=strange", 422),
        ("/gallery?kind=strange", 422),
        ("/gallery?cursor=strange", 422),
        ("/gallery?text=%00", 422),
        ("/?kind=strange", 422),
        ("/?again=unknown", 404),
        ("/?image=strange", 422),
        ("/thumbnails/strange", 404),
        ("/assets/1/..%2f..%2fwords%2fen.toml", 404),
        ("/assets/1/en.toml", 404),
    ],
)
def test_what_is_not_there_is_said_so(http: TestClient, path: str, status: int) -> None:
    assert http.get(path).status_code == status


def test_a_segmentation_has_its_legend_in_the_colours_of_its_mask(
    http: TestClient, settings: Settings
) -> None:
    mask = Image.new("P", (8, 8), 1)
    mask.putpalette([0, 0, 0, 10, 200, 30])
    picture = stored(settings, encoded(mask))
    job = submitted(settings, kind="image-segmentation")
    areas = {"mask": picture.model_dump(), "labels": ["background", "circle"], "areas": {"circle": 1.0}}
    ended(settings, job, areas, picture)
    shown = http.get(f"/jobs/{job.id}").text
    assert 'fill="#0ac81e"' in shown
    assert "circle 100 %" in shown


def test_labels_have_bars_and_a_failure_its_reason(http: TestClient, settings: Settings) -> None:
    job = submitted(settings, kind="image-classification")
    ended(settings, job, {"predictions": [{"label": "circle", "score": 0.75}]})
    assert re.search(r'<rect width="75.00"[^>]*class="value"', http.get(f"/jobs/{job.id}").text)

    failing = submitted(settings)
    database = Database(settings.database_url.get_secret_value())
    claim = Ledger(database).claim(failing.id, "w")
    assert claim is not None
    error = JobError(
        code="out_of_memory", message="The device is full.", fault="machine", hint="Make it smaller."
    )
    Ledger(database).fail(failing.id, claim.fence, error)
    database.close()
    shown = http.get(f"/jobs/{failing.id}").text
    assert "out_of_memory" in shown
    assert "Make it smaller." in shown


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
    assert "No worker that can do this is there now" in http.get(f"/jobs/{job.id}").text
    assert http.post(f"/jobs/{job.id}/cancel").headers["Location"] == f"/jobs/{job.id}"
    assert "is-canceled" in http.get(f"/jobs/{job.id}").text


def test_large_pictures_are_shown_small(http: TestClient) -> None:
    large = encoded(Image.effect_noise((1200, 600), 80).convert("RGB"))
    answer = http.post("/v1/files", content=large, headers={"Content-Type": "image/png"})
    small = http.get(f"/thumbnails/{answer.json()['sha256']}")
    assert small.headers["Content-Type"] == "image/webp"
    assert len(small.content) < 60_000


def test_no_page_lets_anything_in_from_elsewhere(http: TestClient, settings: Settings) -> None:
    job = submitted(settings)
    for path in ("/", "/gallery", "/workers", f"/jobs/{job.id}", "/jobs/unknown"):
        answer = http.get(path)
        assert (
            "default-src 'none'; script-src 'self'; style-src 'self'"
            in answer.headers["Content-Security-Policy"]
        )
        assert not re.search(r"<[^>]+\s(style|on\w+)=|<style|<script(?! src=)", answer.text)
        assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)


def test_assets_are_kept_by_browsers_until_they_change(http: TestClient) -> None:
    paths = re.findall(r'"(/assets/[^"]+)"', http.get("/").text)
    assert len(paths) == 3
    for path in paths:
        answer = http.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]


class TestKeys:
    @pytest.fixture
    def mine(self, settings: Settings) -> str:
        return key(settings, "mine")

    def test_who_is_unknown_may_log_in_and_out(self, http: TestClient, mine: str) -> None:
        answer = http.get("/gallery?text=a")
        assert answer.headers["Location"] == "/login?next=%2Fgallery%3Ftext%3Da"
        assert http.get(answer.headers["Location"]).status_code == 200
        wrong = http.post("/login", data={"key": "bw_wrong", "next": "/gallery"})
        assert wrong.status_code == 401
        assert "Set-Cookie" not in wrong.headers
        right = http.post("/login", data={"key": f" {mine} ", "next": "/gallery"})
        assert right.headers["Location"] == "/gallery"
        assert re.search("HttpOnly.*SameSite=strict", right.headers["Set-Cookie"])
        assert http.get("/gallery").status_code == 200
        assert http.post("/logout").headers["Location"] == "/login"
        assert http.get("/gallery").status_code == 303

    def test_over_https_the_cookie_stays_there(self, http: TestClient, mine: str) -> None:
        answer = http.post("https://127.0.0.1/login", data={"key": mine})
        assert "Secure" in answer.headers["Set-Cookie"]

    def test_another_tenants_jobs_are_not_there(
        self, http: TestClient, settings: Settings, mine: str
    ) -> None:
        theirs = submitted(settings, tenant="theirs")
        own = submitted(settings, tenant="mine", prompt="my own")
        http.cookies.set(COOKIE, mine)
        assert http.get(f"/jobs/{own.id}").status_code == 200
        assert http.get(f"/jobs/{theirs.id}").status_code == 404
        assert http.get(f"/?again={theirs.id}").status_code == 404
        for action in ("again", "cancel"):
            assert http.post(f"/jobs/{theirs.id}/{action}").status_code == 404
        assert http.get("/gallery").text.count('class="card ') == 1
        assert http.get("/").text.count('class="card ') == 1

    def test_another_tenants_pictures_are_not_there(
        self, http: TestClient, settings: Settings, mine: str
    ) -> None:
        theirs = submitted(settings, kind="image-to-text", tenant="theirs")
        http.cookies.set(COOKIE, mine)
        assert http.get(f"/thumbnails/{theirs.request.image}").status_code == 404
        form = {"kind": "image-to-text", "image_sha256": theirs.request.image}
        assert http.post("/jobs", data=form).status_code == 422

    def test_a_key_that_only_reads_is_offered_nothing_more(
        self, http: TestClient, settings: Settings
    ) -> None:
        http.cookies.set(COOKIE, key(settings, "mine", [Scope.READ]))
        assert "data-maker" not in http.get("/").text
        assert http.post("/jobs", data={"kind": "text-to-image", "prompt": "a"}).status_code == 403

    @pytest.mark.parametrize(
        "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
    )
    def test_other_sites_can_not_submit(self, http: TestClient, mine: str, headers: dict[str, str]) -> None:
        http.cookies.set(COOKIE, mine)
        form = {"kind": "text-to-image", "prompt": "a"}
        assert http.post("/jobs", data=form, headers=headers).status_code == 403
        assert 'class="card ' not in http.get("/").text

    def test_forms_of_its_own_pass(self, http: TestClient, mine: str) -> None:
        http.cookies.set(COOKIE, mine)
        headers = {"Origin": "http://127.0.0.1:8600", "Sec-Fetch-Site": "same-origin"}
        form = {"kind": "text-to-image", "prompt": "a", "tenant": "theirs"}
        answer = http.post("/jobs", data=form, headers=headers)
        assert http.get(answer.headers["Location"]).status_code == 200


def test_words_and_light_are_remembered(http: TestClient) -> None:
    answer = http.post("/preferences", data={"language": "zh", "theme": "dark", "next": "//evil.example"})
    assert answer.headers["Location"] == "/"
    shown = http.get("/", headers={"Accept-Language": "en"}).text
    assert 'lang="zh-Hans" data-theme="dark"' in shown
    http.post("/preferences", data={"language": "<x>", "theme": "<x>"})
    assert 'lang="zh-Hans" data-theme="dark"' in http.get("/").text


def test_a_key_that_may_not_read_is_shown_no_jobs(http: TestClient, settings: Settings) -> None:
    with Client(settings=settings) as client:
        client.submit("text-to-image", prompt="words of somebody", tenant="t")
    http.cookies.set(COOKIE, key(settings, "t", [Scope.SUBMIT]))
    refused = http.post("/jobs", data={"kind": "text-to-image", "prompt": ""})
    assert refused.status_code == 422
    assert "words of somebody" not in refused.text
    http.cookies.set(COOKIE, key(settings, "t"))
    assert "words of somebody" in http.post("/jobs", data={"kind": "text-to-image", "prompt": ""}).text


def test_a_key_of_another_gateway_is_dropped_where_none_is_asked_for(http: TestClient) -> None:
    http.cookies.set(COOKIE, "bw_0123456789ab_" + 64 * "0", domain="127.0.0.1")
    asked = http.get("/")
    assert asked.headers["Location"] == "/login?next=%2F"
    led_on = http.get(asked.headers["Location"])
    assert (led_on.status_code, led_on.headers["Location"]) == (303, "/")
    assert f'{COOKIE}=""' in led_on.headers["Set-Cookie"]


def test_a_form_that_is_too_large_is_answered_by_a_page(settings: Settings) -> None:
    bounded = settings.model_copy(update={"max_upload_bytes": 4096, "max_dataset_bytes": 4096})
    form = {"data": {"kind": "image-to-text"}, "files": {"image": ("picture.png", bytes(8192), "image/png")}}
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "zh"}
    with gateway(bounded) as http:
        answer = http.post("/jobs", **form, headers=browser)  # type: ignore[arg-type]
        assert answer.status_code == 413
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "A request may have at most 4096 bytes." in answer.text
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


def trained_of(settings: Settings, job: Job) -> dict[str, Any]:
    """A result of a training that has found two classes, one with markup in its name."""
    store = ArtifactStore(settings.artifacts_url)
    epoch = {"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.75, "seconds": 1.5}
    return {
        "model_name": f"trained:{job.id}",
        "weights": store.put_file(b"weights", "application/vnd.safetensors").model_dump(),
        "config": store.put_file(b"{}", "application/json").model_dump(),
        "plot": store.put_picture(png("gray")).model_dump(),
        "labels": ["cat", "<b>dog</b>"],
        "curve": [
            {**epoch, "validation_loss": 0.6, "validation_accuracy": 0.5},
            {**epoch, "epoch": 2, "validation_loss": 0.3, "validation_accuracy": 0.9},
        ],
        "best_epoch": 2,
        "train_accuracy": 0.75,
        "validation_accuracy": 0.9,
        "confusion_matrix": [[9, 1], [0, 10]],
        "num_train_images": 80,
        "num_validation_images": 20,
    }


def test_a_training_shows_its_model_curve_and_files(http: TestClient, settings: Settings) -> None:
    job = submitted(settings, "image-classification-training", image=None, dataset=b"PK\x03\x04 animals")
    waiting = http.get(f"/jobs/{job.id}").text
    assert "appear here after the first epoch" in waiting
    assert 'alt="' not in waiting.partition("<main")[2]
    result = trained_of(settings, job)
    ended(settings, job, result)
    shown = http.get(f"/jobs/{job.id}").text
    assert "cat, &lt;b&gt;dog&lt;/b&gt;: 90 %" in shown
    assert shown.count("<polyline") == 4
    assert re.search(r'<td class="number right">9</td><td class="number wrong">1</td>', shown)
    for name in ("weights", "config", "plot"):
        assert f"/v1/files/{result[name]['sha256']}?download=1" in shown
    assert f"/?kind=image-classification&amp;model=trained%3A{job.id}" in shown
    asked = http.get(f"/?kind=image-classification&model=trained:{job.id}").text
    assert f'<option value="trained:{job.id}" selected>' in asked
    card = http.get("/gallery?kind=image-classification-training").text
    assert f"/thumbnails/{result['plot']['sha256']}" in card


def test_captions_are_shown_with_their_scores_and_segments_with_their_places(
    http: TestClient, settings: Settings
) -> None:
    job = submitted(settings, "image-to-text")
    candidates = [{"text": "a circle", "score": -0.25}, {"text": "a <i>ring</i>", "score": None}]
    ended(settings, job, {"generated_text": "a circle", "candidates": candidates})
    shown = http.get(f"/jobs/{job.id}").text
    assert "-0.250" in shown
    assert "a &lt;i&gt;ring&lt;/i&gt;" in shown
    assert "Again with another seed" not in shown

    mask = stored(settings, png())
    job = submitted(settings, "image-segmentation")
    rle = {"size": [8, 16], "counts": "0"}
    segment = {"id": 1, "score": 0.5, "area": 12, "bbox": [1, 2, 3, 4], "segmentation": rle}
    found = {"mask": mask.model_dump(), "labels": ["x"], "areas": {"x": 1.0}, "segments": [segment]}
    ended(settings, job, found, mask)
    shown = http.get(f"/jobs/{job.id}").text
    assert "Object 1" in shown
    assert "3 × 4 (1, 2)" in shown


def test_what_was_given_stands_beside_what_was_made(http: TestClient, settings: Settings) -> None:
    picture = stored(settings, png("blue"))
    red, white = png("red"), png("white")
    job = submitted(settings, "inpainting", prompt=PROMPT, image=red, mask_image=white)
    made = {"images": [picture.model_dump()], "seed": 7, "seeds": [7], "nsfw_content_detected": [True]}
    ended(settings, job, made, picture)
    shown = http.get(f"/jobs/{job.id}").text
    for sha256 in (picture.sha256, job.request.image, job.request.mask_image):
        assert f'<img src="/v1/files/{sha256}"' in shown
    assert "blacked out by the safety checker" in shown
    again = http.get(f"/?again={job.id}").text
    assert f'name="mask_image_sha256" value="{job.request.mask_image}"' in again

    job = submitted(settings, "image-upscaling")
    ended(settings, job, {"image": picture.model_dump(), "scale": 2.0}, picture)
    assert f'<img src="/v1/files/{picture.sha256}"' in http.get(f"/jobs/{job.id}").text


def test_files_are_kept_when_something_else_was_wrong(http: TestClient) -> None:
    files = {"dataset": ("animals.zip", b"PK\x03\x04 animals", "application/zip")}
    form = {"kind": "image-classification-training", "learning_rate": "fast"}
    refused = http.post("/jobs", data=form, files=files)
    assert refused.status_code == 422
    (name,) = re.findall(r'name="dataset_sha256" value="([0-9a-f]{64})"', refused.text)
    form = {"kind": "image-classification-training", "dataset_sha256": name}
    assert http.post("/jobs", data=form).status_code == 303
    wrong = http.post("/jobs", data={"kind": "image-classification-training"}, files={"dataset": png()})
    assert "this is no zip and no tar" in wrong.text


def test_a_picture_that_is_too_large_is_refused_beside_archives_that_may_be(settings: Settings) -> None:
    bounded = settings.model_copy(update={"max_upload_bytes": 4096, "max_dataset_bytes": 65536})
    form = {"kind": "image-classification-training"}
    with gateway(bounded, follow_redirects=False) as http:
        picture = http.post("/jobs", data={"kind": "image-to-text"}, files={"image": bytes(8192)})
        assert picture.status_code == 413
        archive = http.post("/jobs", data=form, files={"dataset": b"PK\x03\x04".ljust(8192)})
        assert archive.status_code == 303


def test_a_form_says_which_models_no_worker_has(http: TestClient, database: Database) -> None:
    before = http.get("/?kind=image-upscaling").text
    assert "No worker has a model for this now." in before
    assert "(no worker has it now)" in before
    worker = WorkerEntry("w", ("image-upscaling",), ("swin2sr-x2",), "cpu", ready=True)
    Roster(database).announce(worker)
    with_one = http.get("/?kind=image-classification").text
    assert "No worker has a model for this now." in with_one


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
