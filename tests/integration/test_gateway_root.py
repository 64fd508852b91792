"""A gateway behind a proxy that puts a path before its own: all that it says of its paths has it."""

import re
from collections.abc import Iterator

import pytest
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import HERE, key

pytestmark = pytest.mark.one_database("addresses in answers; test_gateway_routes calls every route on both")

ROOT = "/some/pictures"
DRAW = {"kind": "text-to-image", "prompt": 'a link: href="/x"'}


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    """Asked as a browser asks the proxy."""
    app = create_app(settings, PAGE)
    with TestClient(app, base_url=HERE, root_path=ROOT, follow_redirects=False) as client:
        yield client


def test_links_and_locations(http: TestClient) -> None:
    made = http.post(f"{ROOT}/v1/jobs", json=DRAW)
    here = f"{ROOT}/v1/jobs/{made.json()['id']}"
    assert (made.status_code, made.headers["Location"]) == (201, here)
    assert made.json()["links"] == {"self": here, "events": f"{here}/events", "cancel": f"{here}/cancel"}
    for job in (http.get(here).json(), *http.get(f"{ROOT}/v1/jobs").json()["jobs"]):
        assert job["links"]["self"] == here
    kept = http.post(f"{ROOT}/v1/files", content=png(), headers={"Content-Type": "image/png"})
    assert kept.headers["Location"] == f"{ROOT}/v1/files/{kept.json()['sha256']}"
    assert http.get(kept.headers["Location"]).status_code == 200


def test_the_page_leads_nowhere_else(http: TestClient) -> None:
    made = http.post(f"{ROOT}/jobs", data=DRAW)
    job_page = made.headers["Location"]
    assert job_page.startswith(f"{ROOT}/jobs/")
    for path in (job_page, f"{ROOT}/", f"{ROOT}/gallery", f"{ROOT}/workers"):
        page = http.get(path)
        assert page.status_code == 200
        links = re.findall(r' (?:href|src|action|data-events)="(/[^"]*)"', page.text)
        assert links
        assert [link for link in links if not link.startswith(f"{ROOT}/")] == []
    assert "href=&#34;/x&#34;" in http.get(job_page).text


def test_the_page_of_the_api_stays_below(http: TestClient) -> None:
    page = http.get(f"{ROOT}/docs").text
    links = re.findall(r' (?:href|src|data-document)="(/[^"]*)"', page)
    assert f"{ROOT}/v1/openapi.json" in links
    for link in links:
        assert link.startswith(f"{ROOT}/")
        assert http.get(link).status_code == 200, link
    # Swagger UI sends its requests to the servers of the document.
    assert http.get(f"{ROOT}/v1/openapi.json").json()["servers"] == [{"url": ROOT}]


def test_who_logs_in_comes_back(http: TestClient, settings: Settings) -> None:
    own = key(settings)
    asked = http.get(f"{ROOT}/gallery?state=queued")
    assert asked.headers["Location"] == f"{ROOT}/login?next=%2Fgallery%3Fstate%3Dqueued"
    led_on = http.post(f"{ROOT}/login", data={"key": own, "next": "/gallery?state=queued"})
    assert led_on.headers["Location"] == f"{ROOT}/gallery?state=queued"
    assert http.get(led_on.headers["Location"]).status_code == 200
