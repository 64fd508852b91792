"""Callers of a service whose artifact store is away: they hear so soon, and nobody blames them."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from brushwork import Client, ServiceUnreachable
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.files import object_store
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.archives import folders, zipped
from tests.chaos.links import Way
from tests.chaos.proxy import Proxy
from tests.drawn import drawn, png
from tests.gateways import gateway, settings_at
from tests.jobs import count
from tests.s3_server import S3Server

# Of the default bounds, a tenth.
SILENT_S = 0.5
# Two requests to the store one after the other, on a busy machine.
SOON_S = 10.0
FAULTS: dict[str, Callable[[Proxy], None]] = {
    "refuses": Proxy.refuse,
    "silent": lambda proxy: proxy.silence(Way.UP, Way.DOWN),
}
PICTURE = png(drawn(1))
# So large that it is sent with more patience.
LARGE = png(drawn(2).resize((700, 700)))
URL = "data:image/png;base64,"


def data_url(picture: bytes) -> str:
    return URL + base64.b64encode(picture).decode()


Answer = Callable[[TestClient], httpx.Response]
DOORS: dict[str, Answer] = {
    "a job with a picture": lambda http: http.post(
        "/v1/jobs", json={"kind": "image-to-text", "image": data_url(PICTURE)}
    ),
    "a job with a large picture": lambda http: http.post(
        "/v1/jobs", json={"kind": "image-to-text", "image": data_url(LARGE)}
    ),
    "a form": lambda http: http.post(
        "/v1/jobs", data={"kind": "image-to-text"}, files={"image": ("a.png", PICTURE, "image/png")}
    ),
    "a batch": lambda http: http.post(
        "/v1/jobs:batch", json={"requests": [{"kind": "image-to-text", "image": data_url(PICTURE)}] * 2}
    ),
    "an upload": lambda http: http.post("/v1/files", content=PICTURE, headers={"content-type": "image/png"}),
    "an archive": lambda http: http.post(
        "/v1/files", content=zipped(folders("a", "b")), headers={"content-type": "application/zip"}
    ),
}


@pytest.fixture(params=FAULTS)
def away(
    request: pytest.FixtureRequest,
    sqlite_url: str,
    s3_server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Settings, Callable[[], Any]]]:
    """The settings of a service whose store goes away inside of a block."""
    monkeypatch.setattr(object_store, "SILENT_S", SILENT_S)
    monkeypatch.setattr(object_store, "RETRY_S", SILENT_S)
    with Proxy(("127.0.0.1", s3_server.port)) as proxy:
        bucket = s3_server.bucket(endpoint=f"http://127.0.0.1:{proxy.port}")
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)

        @contextmanager
        def fault() -> Iterator[None]:
            proxy.reset()
            FAULTS[request.param](proxy)
            yield
            proxy.heal()
            proxy.reset()
            if request.param == "refuses":
                proxy.admit()

        yield settings_at(sqlite_url, tmp_path).overridden(artifacts_url=bucket.url), fault


def num_jobs(settings: Settings) -> int:
    database = Database(settings.database_url.get_secret_value())
    try:
        return count(database, JOBS)
    finally:
        database.close()


def test_the_gateway_answers_503_soon_and_takes_what_needs_no_file(away: tuple[Settings, Any]) -> None:
    settings, fault = away
    with gateway(settings) as http:
        with fault():
            for name, ask in DOORS.items():
                began = time.monotonic()
                answer = ask(http)
                problem = answer.json()
                assert (answer.status_code, problem["code"]) == (503, "service_unreachable"), name
                assert problem["fault"] == "machine", name
                assert time.monotonic() - began < SOON_S, name
            assert num_jobs(settings) == 0, "what was refused is no job"
            accepted = http.post("/v1/jobs", json={"kind": "text-to-image", "prompt": "a red circle"})
            assert accepted.status_code == 201, accepted.text
        for name, ask in DOORS.items():
            assert ask(http).status_code in (200, 201), name


def test_a_client_hears_it_soon(away: tuple[Settings, Any]) -> None:
    settings, fault = away
    with Client(settings=settings) as client:
        with fault():
            began = time.monotonic()
            for picture in (PICTURE, LARGE):
                with pytest.raises(ServiceUnreachable) as raised:
                    client.submit("image-to-text", image=picture)
                assert raised.value.fault == "machine"
                assert raised.value.field == "artifacts_url"
            assert time.monotonic() - began < 2 * SOON_S
            client.submit("text-to-image", prompt="a red circle")
        assert client.submit("image-to-text", image=PICTURE).id
