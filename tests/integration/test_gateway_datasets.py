"""Data sets and several pictures by HTTP: brought in pieces, named, bounded, and nobody else's."""

import hashlib
import io
from pathlib import Path

import pytest
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import bearer, gateway, key, settings_at

KIND = "image-classification-training"
ZIP = {"Content-Type": "application/zip"}
ARCHIVE = b"PK\x03\x04 a cat and a dog"
NAME = hashlib.sha256(ARCHIVE).hexdigest()
SMALL, LARGE = 16 * 2**10, 64 * 2**10


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return settings_at(sqlite_url, tmp_path, max_upload_bytes=SMALL, max_dataset_bytes=LARGE)


def archive(size: int) -> bytes:
    return b"PK\x03\x04".ljust(size, b"-")


@pytest.mark.parametrize(
    "media_type", ["application/zip", "application/x-zip-compressed", "application/gzip"]
)
def test_an_archive_is_known_by_its_bytes_whatever_it_is_called(http: TestClient, media_type: str) -> None:
    answer = http.post("/v1/files", content=ARCHIVE, headers={"Content-Type": media_type})
    assert answer.status_code == 201
    assert answer.json() == {
        "sha256": NAME, "media_type": "application/zip", "size_bytes": len(ARCHIVE), "width": 0, "height": 0,
        "pixels_sha256": None, "unsigned_sha256": None, "signed_by": None,
    }  # fmt: skip
    got = http.get(f"/v1/files/{NAME}")
    assert got.content == ARCHIVE
    assert got.headers["Content-Disposition"] == f'attachment; filename="{NAME[:16]}.zip"'


def test_a_form_brings_an_archive_too(http: TestClient) -> None:
    answer = http.post("/v1/files", files={"file": ("animals.zip", ARCHIVE)})
    assert answer.json()["sha256"] == NAME


def test_a_job_names_an_archive_that_was_brought_or_brings_it_along(http: TestClient) -> None:
    assert http.post("/v1/files", content=ARCHIVE, headers=ZIP).status_code == 201
    named = http.post("/v1/jobs", json={"kind": KIND, "dataset": NAME})
    assert named.status_code == 201
    along = http.post(
        "/v1/jobs", data={"kind": KIND, "num_train_epochs": "2"}, files={"dataset": archive(LARGE // 2)}
    )
    assert along.status_code == 201, along.text
    assert along.json()["request"]["dataset"] == hashlib.sha256(archive(LARGE // 2)).hexdigest()
    assert along.json()["request"]["num_train_epochs"] == 2
    again = http.post(f"/v1/jobs/{named.json()['id']}/cancel")
    assert again.json()["outcome"] == "canceled"
    retried = http.post(f"/v1/jobs/{named.json()['id']}/retry", json={"learning_rate": 0.01})
    assert retried.json()["request"]["dataset"] == NAME


@pytest.mark.parametrize("dataset", ["f" * 64, "animals.zip", "data:application/zip;base64,UEsDBA==", 5])
def test_what_names_no_archive_is_refused(http: TestClient, dataset: object) -> None:
    answer = http.post("/v1/jobs", json={"kind": KIND, "dataset": dataset})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_dataset")
    assert answer.json()["field"] == "dataset"


def test_a_picture_is_no_archive_and_an_archive_no_picture(http: TestClient) -> None:
    picture = http.post("/v1/files", content=png(), headers={"Content-Type": "image/png"}).json()["sha256"]
    http.post("/v1/files", content=ARCHIVE, headers=ZIP)
    trained = http.post("/v1/jobs", json={"kind": KIND, "dataset": picture})
    looked = http.post("/v1/jobs", json={"kind": "image-to-text", "image": NAME})
    assert (trained.json()["code"], looked.json()["code"]) == ("invalid_dataset", "invalid_image")
    assert http.post("/v1/files", content=b"nothing", headers=ZIP).json()["code"] == "invalid_dataset"
    along = http.post("/v1/jobs", data={"kind": "image-to-text"}, files={"image": ARCHIVE})
    assert along.json()["code"] == "invalid_image"


def test_archives_may_be_larger_than_all_else(http: TestClient, settings: Settings) -> None:
    assert http.post("/v1/files", content=archive(LARGE), headers=ZIP).status_code == 201
    too_large = http.post("/v1/files", content=archive(LARGE + 1), headers=ZIP)
    assert (too_large.status_code, too_large.json()["code"]) == (413, "payload_too_large")
    # What has no end that is told is counted as it comes.
    told = http.post("/v1/files", content=iter([archive(LARGE), b"-"]), headers=ZIP)
    assert told.status_code == 413
    form = http.post("/v1/jobs", data={"kind": KIND}, files={"dataset": archive(LARGE + 1)})
    assert form.status_code == 413
    picture = http.post("/v1/files", files={"file": b"\x89PNG".ljust(SMALL + 1)})
    assert (picture.status_code, picture.json()["code"]) == (413, "payload_too_large")
    words = http.post("/v1/jobs", json={"kind": KIND, "dataset": "f" * SMALL})
    assert words.status_code == 413
    assert len([file for file in Path(settings.artifacts_url).rglob("*") if file.is_file()]) == 1


def test_the_fields_beside_an_archive_are_short(http: TestClient) -> None:
    fields = {"kind": KIND, "group": "g" * (LARGE - SMALL // 2)}
    answer = http.post("/v1/jobs", data=fields, files={"dataset": archive(16)})
    assert answer.status_code in (413, 422)
    assert http.get("/v1/jobs").json()["jobs"] == []


def test_another_tenants_archive_can_not_be_named(settings: Settings) -> None:
    mine, theirs = bearer(key(settings, "mine")), bearer(key(settings, "theirs"))
    with gateway(settings) as http:
        assert http.post("/v1/files", content=ARCHIVE, headers={**ZIP, **theirs}).status_code == 201
        body = {"kind": KIND, "dataset": NAME}
        assert http.post("/v1/jobs", json=body, headers=mine).json()["code"] == "invalid_dataset"
        assert http.post("/v1/jobs", json=body, headers=theirs).status_code == 201


def test_a_form_brings_several_pictures_and_lists_in_short(http: TestClient) -> None:
    red, white = png("red"), png("white")
    answer = http.post(
        "/v1/jobs",
        data={"kind": "inpainting", "prompt": "a blue circle"},
        files={"image": red, "mask_image": white},
    )
    assert answer.status_code == 201, answer.text
    request = answer.json()["request"]
    names = [hashlib.sha256(picture).hexdigest() for picture in (red, white)]
    assert [request["image"], request["mask_image"]] == names
    wrong = http.post(
        "/v1/jobs",
        data={"kind": "image-segmentation", "points": "12, 30; 40, here"},
        files={"image": red},
    )
    assert (wrong.status_code, wrong.json()["field"]) == (422, "points")


def test_files_that_are_no_pictures_have_the_name_of_their_sort(http: TestClient, settings: Settings) -> None:
    store = ArtifactStore(settings.artifacts_url)
    services = http.app.state.services  # type: ignore[attr-defined]
    for data, media_type, manner, ending in (
        (b"{}", "application/json", "inline", "json"),
        (b"weights", "application/vnd.safetensors", "attachment", "safetensors"),
        (b"<script>", "text/html", "attachment", "bin"),
    ):
        artifact = store.put_file(data, media_type)
        TenantFiles(services.database).record_upload("", artifact)
        headers = http.get(f"/v1/files/{artifact.sha256}").headers
        assert headers["Content-Disposition"].startswith(f"{manner};")
        assert headers["Content-Disposition"].endswith(f'.{ending}"')


def test_an_archive_is_stored_from_a_file_in_pieces(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    first = store.put_stream(io.BytesIO(ARCHIVE), "application/zip")
    assert store.put_stream(io.BytesIO(ARCHIVE), "application/zip") == first
    assert (store.get(first.sha256), store.size_bytes(first.sha256)) == (ARCHIVE, len(ARCHIVE))
    assert store.size_bytes("0" * 64) is None
