"""`/readyz` makes real writes and says why it is not ready; a machine without room is not a bug."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brushwork.gateway import readiness
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.chaos.small_disk import SmallDisk
from tests.servers import RedisServer, free_port
from tests.unit.test_write_queue import locked

Gateway = Callable[..., TestClient]


@pytest.fixture
def gateway(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """Starts gateways that remember no check."""
    opened: list[TestClient] = []
    monkeypatch.setattr(readiness, "PASSED_S", 0.0)
    monkeypatch.setattr(readiness, "FAILED_S", 0.0)
    monkeypatch.setattr(readiness, "DATABASE_LIMIT_S", 0.2)

    def gateway(**settings: str) -> TestClient:
        chosen = {
            "database_url": sqlite_url,
            "artifacts_url": str(tmp_path / "artifacts"),
            "redis_url": f"redis://127.0.0.1:{free_port()}/0",
        } | settings
        http = TestClient(create_app(Settings(**chosen), PAGE), base_url="http://127.0.0.1")  # type: ignore[arg-type]
        opened.append(http)
        return http.__enter__()

    yield gateway
    for http in opened:
        http.__exit__(None, None, None)


def refused(http: TestClient) -> str:
    answer = http.get("/readyz")
    problem = answer.json()
    assert (answer.status_code, problem["fault"] in ("machine", "operator")) == (503, True)
    assert answer.headers["Retry-After"]
    return f"{problem['code']}: {problem['detail']}"


def test_without_redis_it_is_ready_and_says_so(gateway: Gateway, redis_server: RedisServer) -> None:
    http = gateway()
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["status"], answer.json()["degraded"]) == (200, "ok", ["redis"])
    # As it says, jobs are accepted.
    assert http.post("/v1/jobs", json={"kind": "text-to-image", "prompt": "a star"}).status_code == 201
    assert gateway(redis_url=redis_server.url).get("/readyz").json()["degraded"] == []


def test_a_full_disk_of_the_database(gateway: Gateway, tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk") as disk:
        shutil.copy(tmp_path / "ledger.sqlite3", disk.folder)
        http = gateway(database_url=f"sqlite:///{disk.folder}/ledger.sqlite3")
        assert http.get("/readyz").status_code == 200
        disk.fill()
        found = [refused(http) for _ in range(3)]
        assert set(found) == {"service_unreachable: The disk of the database is full."}
        # So is what a submit says.
        submitted = http.post("/v1/jobs", json={"kind": "text-to-image", "prompt": "a star"})
        assert (submitted.status_code, submitted.json()["detail"]) == (
            503,
            "The disk of the database is full.",
        )
        assert http.get("/v1/jobs").status_code == 200
        disk.empty()
        assert http.get("/readyz").status_code == 200


def test_a_locked_database(gateway: Gateway, sqlite_url: str) -> None:
    http = gateway()
    database = http.app.state.services.database  # type: ignore[attr-defined]
    with locked(database):
        assert refused(http) == "service_unreachable: The database is locked by another process for too long."


def test_a_full_store(gateway: Gateway, tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk") as disk:
        http = gateway(artifacts_url=str(disk.folder / "artifacts"))
        disk.fill()
        assert refused(http).startswith("store_full: ")


UPLOADS: dict[str, Callable[[TestClient], object]] = {
    "an archive": lambda http: http.post(
        "/v1/files", content=b"PK\x03\x04" + bytes(2_000_000), headers={"Content-Type": "application/zip"}
    ),
    "a form": lambda http: http.post("/v1/files", files={"file": ("a.zip", bytes(3_000_000))}),
    "a form of a job": lambda http: http.post(
        "/v1/jobs", data={"kind": "image-to-text"}, files={"image": ("a.png", bytes(3_000_000))}
    ),
    "the page": lambda http: http.post(
        "/jobs", data={"kind": "image-to-text"}, files={"image": ("a.png", bytes(3_000_000))}
    ),
}


@pytest.mark.parametrize("upload", UPLOADS)
def test_a_full_temporary_folder_is_no_bug(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upload: str
) -> None:
    http = gateway()
    with SmallDisk(tmp_path / "disk") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        assert http.get("/readyz").status_code == 200
        disk.fill()
        assert refused(http).startswith(
            "service_unreachable: The gateway cannot store the request for now: No space"
        )
        answer = UPLOADS[upload](http)
        assert answer.status_code == 503, answer.text  # type: ignore[attr-defined]
        assert str(disk.folder) not in answer.text  # type: ignore[attr-defined]
        # What needs no room works.
        assert http.post("/v1/jobs", json={"kind": "text-to-image", "prompt": "a star"}).status_code == 201
