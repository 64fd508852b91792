"""HEAD answers wherever GET does, with its status and headers, and without a body."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from tests.clients import png
from tests.gateways import bearer, key, settings_at
from tests.live_gateways import Listening
from tests.servers import wait_until

pytestmark = pytest.mark.one_database("the routes are those of GET, which test_gateway_routes calls on both")

# These differ between two answers to one question.
OF_THE_ANSWER = {"date", "x-request-id", "connection", "transfer-encoding"}
DRAW = {"kind": "text-to-image", "prompt": "a red circle"}
PATHS = {
    "alive": ("/healthz", 200),
    "ready": ("/readyz", 200),
    "metrics": ("/metrics", 200),
    "contract": ("/v1/openapi.json", 200),
    "job": ("/v1/jobs/{job}", 200),
    "jobs": ("/v1/jobs?limit=3", 200),
    "events": ("/v1/jobs/{job}/events", 200),
    "no preview": ("/v1/jobs/{job}/preview", 204),
    "models": ("/v1/models", 200),
    "kinds": ("/v1/kinds", 200),
    "workers": ("/v1/workers", 200),
    "queues": ("/v1/queues", 200),
    "file": ("/v1/files/{file}", 200),
    "file to save": ("/v1/files/{file}?download=true", 200),
    "page": ("/", 200),
    "gallery": ("/gallery", 200),
    "page of a job": ("/jobs/{job}", 200),
    "page of workers": ("/workers", 200),
    "thumbnail": ("/thumbnails/{file}", 200),
    "login": ("/login", 303),
    "no job": ("/v1/jobs/nobody", 404),
    "no file": ("/v1/files/" + "0" * 64, 404),
    "no path": ("/v1/nothing", 404),
    "wrong limit": ("/v1/jobs?limit=0", 422),
    "only POST": ("/v1/jobs:batch", 405),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    folder = tmp_path_factory.mktemp("head")
    database = Database(url := f"sqlite:///{folder}/ledger.sqlite3")
    database.migrate()
    database.close()
    with Listening(settings_at(url, folder)) as listening:
        yield listening


@pytest.fixture(scope="module")
def names(gateway: Listening) -> dict[str, str]:
    """The job and the file that paths name."""
    job = httpx.post(f"{gateway.address}/v1/jobs", json=DRAW).json()["id"]
    picture = {"content": png(), "headers": {"Content-Type": "image/png"}}
    return {"job": job, "file": httpx.post(f"{gateway.address}/v1/files", **picture).json()["sha256"]}  # type: ignore[arg-type]


def head_of_get(url: str, **options: object) -> tuple[int, dict[str, str]]:
    """Status and headers of GET; a stream is left after them."""
    with httpx.stream("GET", url, **options) as answer:  # type: ignore[arg-type]
        return answer.status_code, lasting(answer)


def lasting(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_THE_ANSWER}


@pytest.mark.parametrize("what", PATHS)
def test_head_is_get_without_its_body(gateway: Listening, names: dict[str, str], what: str) -> None:
    template, status = PATHS[what]
    url = gateway.address + template.format(**names)
    answer = httpx.head(url)
    expected = head_of_get(url)
    assert (answer.status_code, answer.content) == (status, b"")
    found = lasting(answer)
    if what in ("metrics", "page of a job"):
        # The requests that are counted in between make it longer, and so does the age of a job.
        assert re.fullmatch(r"\d+", found.pop("content-length"))
        del expected[1]["content-length"]
    assert (answer.status_code, found) == expected


def test_a_stream_is_left_at_once(gateway: Listening, names: dict[str, str]) -> None:
    answer = httpx.head(f"{gateway.address}/v1/jobs/{names['job']}/events", timeout=5)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    # The same connection serves the next request: the answer has ended.
    with httpx.Client(base_url=gateway.address, timeout=5) as http:
        for _ in range(3):
            assert http.head(f"/v1/jobs/{names['job']}/events").status_code == 200
        assert http.get("/healthz").json() == {"status": "ok"}
        open_streams = re.compile(r"^brushwork_gateway_open_streams\{[^}]*\} 0\.0$", re.MULTILINE)
        wait_until(lambda: open_streams.search(http.get("/metrics").text) is not None, what="no open stream")


def test_what_is_known_is_not_sent_again(gateway: Listening, names: dict[str, str]) -> None:
    known = {"If-None-Match": f'"{names["file"]}"', "Range": "bytes=0-1"}
    url = f"{gateway.address}/v1/files/{names['file']}"
    assert httpx.head(url, headers=known).status_code == httpx.get(url, headers=known).status_code == 304
    # A range is of GET alone, as RFC 9110 says.
    whole = httpx.head(url, headers={"Range": "bytes=0-1"})
    assert (whole.status_code, whole.headers["Content-Length"]) == (200, str(len(png())))


def test_a_wrong_method_is_told_of_head(gateway: Listening) -> None:
    assert httpx.put(f"{gateway.address}/healthz").headers["Allow"] == "GET, HEAD"


def test_it_is_counted_as_what_it_was(gateway: Listening) -> None:
    httpx.head(f"{gateway.address}/v1/jobs/nobody")
    counted = httpx.get(f"{gateway.address}/metrics").text
    assert re.search(r'method="HEAD".*route="/v1/jobs/\{job_id\}".*status="404"', counted)
    assert 'brushwork_gateway_problems_total{code="job_not_found"' in counted


def test_it_needs_a_key_where_get_does(settings: Settings, tmp_path: Path) -> None:
    own = key(settings)
    with Listening(settings) as closed:
        assert httpx.head(f"{closed.address}/v1/jobs").status_code == 401
        assert httpx.head(f"{closed.address}/v1/jobs", headers=bearer(own)).status_code == 200
