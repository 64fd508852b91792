"""SQLite's write lock is held by another process: writes are answered within one limit, and reads go on."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from brushwork_core.access.api_keys import ApiKeys, Scope
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from tests.live_gateways import Listening
from tests.servers import free_port

LIMIT_S = 2.0
# Of a busy machine. Before, the time of each write was added to that of the write before it.
LATE_S = 4.0
JOB = {"kind": "text-to-image", "prompt": "a star"}


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=sqlite_url,  # type: ignore[arg-type]
        artifacts_url=str(tmp_path / "artifacts"),
        redis_url=f"redis://127.0.0.1:{free_port()}/0",  # type: ignore[arg-type]
    )


@pytest.fixture
def key(sqlite_url: str) -> str:
    database = Database(sqlite_url)
    made = ApiKeys(database).create("app", tenant="a", scopes=[Scope.SUBMIT, Scope.READ])
    database.close()
    return made


@contextmanager
def locked(url: str) -> Iterator[None]:
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def timed(ask: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    began = time.monotonic()
    answer = ask()
    return time.monotonic() - began, answer


def test_writes_are_answered_within_one_limit_and_reads_go_on(
    settings: Settings, sqlite_url: str, key: str
) -> None:
    with (
        Listening(settings) as gateway,
        httpx.Client(
            base_url=gateway.address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
            limits=httpx.Limits(max_connections=100),
        ) as http,
    ):
        job = http.post("/v1/jobs", json=JOB).json()["id"]
        queue = gateway.services.database._queue
        assert queue is not None
        queue.limit_s = LIMIT_S
        writes: list[Callable[[], httpx.Response]] = [
            *(lambda: http.post("/v1/jobs", json=JOB) for _ in range(40)),
            lambda: http.post(f"/v1/jobs/{job}/cancel"),
            lambda: http.delete(f"/v1/jobs/{job}"),
            lambda: http.post(f"/v1/jobs/{job}/retry"),
            lambda: http.post("/v1/jobs:batch", json={"requests": [JOB, JOB]}),
            lambda: http.post(f"/jobs/{job}/cancel"),
        ]
        with locked(sqlite_url), ThreadPoolExecutor(60) as threads:
            written = [threads.submit(timed, write) for write in writes]
            paths = (f"/v1/jobs/{job}", "/v1/jobs", "/v1/queues", f"/v1/jobs/{job}/preview", "/v1/kinds")
            read = [timed(lambda path=path: http.get(path)) for path in paths]  # type: ignore[misc]
            answers = [each.result() for each in written]
        assert [answer.status_code // 100 for _, answer in read] == [2] * len(paths)
        assert max(took_s for took_s, _ in read) < LIMIT_S
        # A job that has not ended is refused before anything is written.
        refused = [answer for _, answer in answers if answer.status_code == 409]
        assert len(refused) <= 2
        away = [answer for _, answer in answers if answer not in refused]
        assert {answer.status_code for answer in away} == {503}
        problems = [each.json() for each in away if each.headers["Content-Type"].endswith("json")]
        assert {problem["code"] for problem in problems} == {"service_unreachable"}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in away)
        assert max(took_s for took_s, _ in answers) < LIMIT_S + LATE_S
        # Once the lock is free, everything works, and nothing was written late.
        assert http.get("/v1/jobs").json()["jobs"][0]["id"] == job
        assert http.post("/v1/jobs", json=JOB).status_code == 201


def test_a_key_that_is_new_to_the_gateway_reads_while_the_lock_is_held(
    settings: Settings, sqlite_url: str, key: str
) -> None:
    """The time of its last use cannot be written, and that is not waited for."""
    with Listening(settings) as gateway, locked(sqlite_url):
        headers = {"Authorization": f"Bearer {key}"}
        took_s, answer = timed(lambda: httpx.get(f"{gateway.address}/v1/jobs", headers=headers, timeout=60))
    assert (answer.status_code, took_s < LATE_S) == (200, True)
