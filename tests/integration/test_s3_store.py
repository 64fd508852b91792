"""What each part does with files on S3: gateway, readiness, doctor, the start of a worker, tenants."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from brushwork.doctor.finding import Level
from brushwork.doctor.store_check import check_store
from brushwork.gateway import serve as gateway_process
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.store_probe import StoreProbe
from brushwork_core.settings.settings import Settings
from brushwork_core.timing import remembered_check
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.errors.store import BucketMissing, StoreDenied, StoreFull
from brushwork_workers.process.services import WorkerServices
from celery import Celery
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import bearer, gateway, key, settings_at
from tests.s3_answers import Answer, answering
from tests.s3_server import Bucket

PNG = {"Content-Type": "image/png"}
PICTURE = png("teal")
NAME = hashlib.sha256(PICTURE).hexdigest()
LARGE = 20 * 2**20


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path, s3_bucket: Bucket) -> Settings:
    return settings_at(sqlite_url, tmp_path, max_dataset_bytes=2 * LARGE).model_copy(
        update={"artifacts_url": s3_bucket.url}
    )


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with gateway(settings) as client:
        yield client


def test_files_go_to_the_bucket_and_come_back_whole_and_in_parts(http: TestClient, s3_bucket: Bucket) -> None:
    for _ in range(2):
        assert http.post("/v1/files", content=PICTURE, headers=PNG).json()["sha256"] == NAME
    assert s3_bucket.names() == [f"pictures/{NAME[:2]}/{NAME}"]
    assert s3_bucket.read(s3_bucket.names()[0]) == PICTURE
    assert http.get(f"/v1/files/{NAME}").content == PICTURE
    part = http.get(f"/v1/files/{NAME}", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, PICTURE[5:10])
    assert http.head(f"/v1/files/{NAME}").headers["Content-Length"] == str(len(PICTURE))


def test_a_data_set_is_sent_in_parts_and_streamed_back(http: TestClient, s3_bucket: Bucket) -> None:
    archive = b"PK\x03\x04" + os.urandom(LARGE)
    sent = http.post("/v1/files", content=archive, headers={"Content-Type": "application/zip"})
    assert sent.status_code == 201, sent.text
    assert http.get(f"/v1/files/{sent.json()['sha256']}").content == archive
    tail = http.get(f"/v1/files/{sent.json()['sha256']}", headers={"Range": "bytes=-7"})
    assert tail.content == archive[-7:]


def test_deleted_jobs_take_their_files_along_and_tenants_see_their_own(
    http: TestClient, settings: Settings, s3_bucket: Bucket
) -> None:
    mine, other = bearer(key(settings, "a")), bearer(key(settings, "b"))
    job = http.post("/v1/jobs", headers=mine, data={"kind": "image-to-text"}, files={"image": PICTURE}).json()
    assert http.get(f"/v1/files/{NAME}", headers=mine).content == PICTURE
    assert http.get(f"/v1/files/{NAME}", headers=other).status_code == 404
    assert http.post(f"/v1/jobs/{job['id']}/cancel", headers=mine).status_code == 200
    assert http.delete(f"/v1/jobs/{job['id']}", headers=mine).status_code == 204
    assert s3_bucket.names() == []
    # A file that went is the caller's to send again, and not a fault of the store.
    again = http.post("/v1/jobs", headers=mine, json={"kind": "image-to-text", "image": NAME})
    assert (again.status_code, again.json()["fault"]) == (422, "caller")


@pytest.fixture
def brought(http: TestClient) -> TestClient:
    """A gateway to which a picture was brought."""
    assert http.post("/v1/files", content=PICTURE, headers=PNG).status_code == 201
    return http


def test_a_missing_bucket_is_nobodys_fault_but_the_operators(brought: TestClient, s3_bucket: Bucket) -> None:
    s3_bucket.remove_bucket()
    asked = {
        "bring": brought.post("/v1/files", content=PICTURE, headers=PNG),
        "submit a name": brought.post("/v1/jobs", json={"kind": "image-to-text", "image": NAME}),
        "submit a picture": brought.post(
            "/v1/jobs", data={"kind": "image-to-text"}, files={"image": PICTURE}
        ),
        "fetch": brought.get(f"/v1/files/{NAME}"),
        "readiness": brought.get("/readyz"),
    }
    for what, answer in asked.items():
        problem = answer.json()
        told = (answer.status_code, problem["code"], problem["fault"])
        assert told == (503, "bucket_missing", "operator"), what
        assert "Create the bucket" in problem["hint"]
        for secret in ("<", s3_bucket.name, "127.0.0.1", "testing"):
            assert secret not in answer.text, what


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer.error(403, "AccessDenied"), "store_denied"),
        (Answer.error(301, "PermanentRedirect"), "wrong_region"),
        (Answer.error(507, "XMinioStorageFull"), "store_full"),
        (Answer.error(503, "SlowDown"), "service_unreachable"),
    ],
)
def test_each_fault_has_its_code_at_submit_and_in_the_readiness_check(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: Answer, code: str
) -> None:
    with answering(answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with gateway(settings) as http:
            told = http.get("/readyz").json()
            assert (told["status"], told["code"]) == (503, code)
            submitted = http.post("/v1/jobs", data={"kind": "image-to-text"}, files={"image": PICTURE})
            assert (submitted.status_code, submitted.json()["code"]) == (503, code)
            assert submitted.json()["fault"] in ("operator", "machine")
            assert "inside" not in submitted.text
            assert http.get("/healthz").status_code == 200


def test_the_readiness_check_asks_the_store_once_in_some_seconds(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, store = [0.0], ArtifactStore(s3_bucket.url)
    checked: list[float] = []
    faults: list[ServiceUnreachable] = []

    def check(size_bytes: int = 0) -> None:
        checked.append(now[0])
        if faults:
            raise faults[0]

    monkeypatch.setattr(store, "check", check)
    monkeypatch.setattr(remembered_check, "time", SimpleNamespace(monotonic=lambda: now[0]))
    probe = StoreProbe(store)
    for at in (0.0, 1.0, 9.0, 10.0, 11.0):
        now[0] = at
        probe.expect_usable()
    assert checked == [0.0, 10.0]
    # One that is away is asked sooner, so that it counts as back soon after it is.
    faults.append(StoreFull("full"))
    for at in (20.0, 21.0, 22.0):
        now[0] = at
        with pytest.raises(StoreFull):
            probe.expect_usable()
    faults.clear()
    now[0] = 24.0
    probe.expect_usable()
    assert checked == [0.0, 10.0, 20.0, 22.0, 24.0]


def test_a_check_leaves_nothing_behind(http: TestClient, settings: Settings, s3_bucket: Bucket) -> None:
    assert http.get("/readyz").status_code == 200
    assert [finding.level for finding in check_store(settings)] == [Level.OK]
    assert s3_bucket.names() == []


def test_doctor_names_the_place_and_the_fault(
    settings: Settings, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    [fine] = check_store(settings)
    for part in (s3_bucket.url, s3_bucket.endpoint, "eu-central-1"):
        assert part in fine.message
    s3_bucket.remove_bucket()
    [missing] = check_store(settings)
    assert missing.level == Level.FAIL
    assert "does not exist (HTTP 404, NoSuchBucket)" in missing.message
    assert s3_bucket.endpoint in missing.message
    assert "Create the bucket" in (missing.hint or "")
    with answering(Answer.error(403, "AccessDenied")) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        [denied] = check_store(settings)
    assert "s3:ListBucket" in (denied.hint or "")
    assert "testing-secret" not in fine.message + missing.message + denied.message


def test_doctor_says_that_files_cannot_be_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(store: ArtifactStore, sha256: str, older_than_s: float) -> bool:
        raise StoreDenied("The artifact store denies access (HTTP 403, AccessDenied).")

    monkeypatch.setattr(ArtifactStore, "remove_if_old", remove)
    [finding] = check_store(settings)
    assert finding.level == Level.WARN
    assert "s3:DeleteObject" in (finding.hint or "")


def test_a_gateway_does_not_start_with_a_wrong_store_and_waits_for_one_that_is_away(
    settings: Settings, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway_process._check_store(settings)
    assert caplog.records == []
    with answering(Answer.error(503, "SlowDown")) as endpoint, monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", endpoint)
        gateway_process._check_store(settings)
    assert "does not answer: HTTP 503, SlowDown" in caplog.text
    s3_bucket.remove_bucket()
    with pytest.raises(BucketMissing):
        gateway_process._check_store(settings)


def test_a_worker_is_not_ready_without_its_store(settings: Settings, s3_bucket: Bucket) -> None:
    services = WorkerServices.open(settings, Celery(), "painter")
    services.database.close()
    s3_bucket.remove_bucket()
    with pytest.raises(BucketMissing):
        WorkerServices.open(settings, Celery(), "painter")
