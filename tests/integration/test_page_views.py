"""The page's views without a browser: what they show, and what they let in."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from brushwork import Client
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import Job, JobError
from PIL import Image
from starlette.testclient import TestClient

from tests.clients import png
from tests.drawn import png as encoded
from tests.gateways import gateway
from tests.pages import PROMPT, ended, stored, submitted

pytestmark = pytest.mark.one_database(
    "lists are tested on both, and test_gateway_routes calls every route on both"
)


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with gateway(settings, follow_redirects=False) as client:
        yield client


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
    assert len(paths) == 4
    for path in paths:
        answer = http.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]


def test_words_and_light_are_remembered(http: TestClient) -> None:
    answer = http.post("/preferences", data={"language": "zh", "theme": "dark", "next": "//evil.example"})
    assert answer.headers["Location"] == "/"
    shown = http.get("/", headers={"Accept-Language": "en"}).text
    assert 'lang="zh-Hans" data-theme="dark"' in shown
    http.post("/preferences", data={"language": "<x>", "theme": "<x>"})
    assert 'lang="zh-Hans" data-theme="dark"' in http.get("/").text


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
    assert "Charts appear here after the first measurement." in waiting
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
    assert "replaced with black by the safety checker" in shown
    again = http.get(f"/?again={job.id}").text
    assert f'name="mask_image_sha256" value="{job.request.mask_image}"' in again

    job = submitted(settings, "image-upscaling")
    ended(settings, job, {"image": picture.model_dump(), "scale": 2.0}, picture)
    assert f'<img src="/v1/files/{picture.sha256}"' in http.get(f"/jobs/{job.id}").text
