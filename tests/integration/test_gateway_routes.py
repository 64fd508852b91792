"""Every route once, on both databases: the others of a route's tests run on SQLite alone."""

from collections.abc import Iterator
from typing import Any

import httpx
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork_core.access.api_keys import Scope
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.settings.settings import Settings
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import HERE, bearer, key
from tests.held_results import REASON, held_result
from tests.jobs import KIND, begun, said

PNG = {"Content-Type": "image/png"}
DRAW = {"kind": KIND, "prompt": "a red circle", "group": "mine", "idempotency_key": "k"}


class Visitor:
    """Calls routes of a gateway by their templates, and remembers which.

    Args:
        http: The gateway.
        headers: With its key.
    """

    def __init__(self, http: TestClient, headers: dict[str, str]) -> None:
        self.visited: set[tuple[str, str]] = set()
        self._http, self._headers = http, headers

    def calls(
        self, method: str, template: str, status: int = 200, query: str = "", **options: Any
    ) -> httpx.Response:
        """The answer of this route, which has to have this status; options in capitals fill the template."""
        names = {name.lower(): options.pop(name) for name in list(options) if name.isupper()}
        headers = {**self._headers, **options.pop("headers", {})}
        path = template.format(**names) + query
        answer = self._http.request(method, path, headers=headers, follow_redirects=False, **options)
        assert answer.status_code == status, (method, path, answer.text)
        self.visited.add((method, template))
        return answer


def routes_of(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Method and template of each."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods)
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from routes_of(router.routes)


def finished(http: Visitor, database: Database) -> str:
    """The id of a job that was seen to run and is canceled in the end."""
    job = http.calls("POST", "/v1/jobs", 201, json=DRAW).json()["id"]
    assert http.calls("POST", "/v1/jobs", 200, json=DRAW).json()["id"] == job
    fence = begun(ledger := Ledger(database, lease_s=600), job)
    assert said(database, job, fence, 3, 12)
    assert http.calls("GET", "/v1/jobs/{job_id}", JOB_ID=job).json()["progress"]["step"] == 3
    assert http.calls("GET", "/v1/jobs/{job_id}/preview", 204, JOB_ID=job).content == b""
    assert http.calls("POST", "/v1/jobs/{job_id}/cancel", JOB_ID=job).json()["outcome"] == "canceling"
    assert ledger.stop(job, fence) is WriteOutcome.APPLIED
    assert "event: end" in http.calls("GET", "/v1/jobs/{job_id}/events", JOB_ID=job).text
    return str(job)


def the_api(http: Visitor, database: Database) -> None:
    job = finished(http, database)
    again = http.calls("POST", "/v1/jobs/{job_id}/retry", 201, JOB_ID=job, json={"seed": 8}).json()
    assert again["retry_of"] == job
    batch = {"requests": [{"kind": KIND, "prompt": "x"}] * 2}
    assert len(http.calls("POST", "/v1/jobs:batch", 201, json=batch).json()["jobs"]) == 2
    found = http.calls("GET", "/v1/jobs", query="?text=RED&group=mine&state=queued&limit=5").json()
    assert [each["id"] for each in found["jobs"]] == [again["id"]]
    file = http.calls("POST", "/v1/files", 201, content=png(), headers=PNG).json()["sha256"]
    assert http.calls("GET", "/v1/files/{sha256}", SHA256=file).content == png()
    assert http.calls("HEAD", "/v1/files/{sha256}", SHA256=file).content == b""
    assert http.calls("GET", "/v1/models").json()["models"]
    assert http.calls("GET", "/v1/kinds").json()["kinds"]
    assert http.calls("POST", "/v1/provenance", content=png(), headers=PNG).json()["matches"] == []
    name = http.calls("POST", "/v1/files", 201, content=png(), headers=PNG).json()["sha256"]
    assert http.calls("GET", "/v1/files/{sha256}/provenance", SHA256=name).json()["sha256"] == name
    assert http.calls("GET", "/v1/workers").json()["workers"] == []
    queues = {each["kind"]: each for each in http.calls("GET", "/v1/queues").json()["queues"]}
    assert queues[KIND]["in_redis"] + queues[KIND]["in_ledger"] == 3
    http.calls("DELETE", "/v1/jobs/{job_id}", 409, JOB_ID=again["id"])
    assert http.calls("DELETE", "/v1/jobs/{job_id}", 204, JOB_ID=job).content == b""
    http.calls("DELETE", "/v1/jobs/{job_id}", 404, JOB_ID=job)
    for template in ("/healthz", "/readyz"):
        assert http.calls("GET", template).json()["status"] == "ok"
    assert "brushwork_jobs" in http.calls("GET", "/metrics").text
    assert "/docs/start.js" in http.calls("GET", "/docs").text
    assert "SwaggerUIBundle" in http.calls("GET", "/docs/{name}", NAME="swagger-ui-bundle.js").text


def the_page(http: Visitor, settings: Settings, secret: str) -> None:
    job = http.calls("POST", "/jobs", 303, data={"kind": KIND, "prompt": "a star"}).headers["Location"]
    job = job.removeprefix("/jobs/")
    assert "a star" in http.calls("GET", "/jobs/{job_id}", JOB_ID=job).text
    assert http.calls("GET", "/", query=f"?again={job}").text.count("a star") == 2
    http.calls("POST", "/jobs/{job_id}/cancel", 303, JOB_ID=job)
    http.calls("POST", "/jobs/{job_id}/again", 303, JOB_ID=job, data={"seed": "new"})
    file = http.calls("POST", "/v1/files", 201, content=png(), headers=PNG).json()["sha256"]
    look = {"kind": "image-to-text", "image": file}
    http.calls("POST", "/jobs/{job_id}/next", 303, JOB_ID=job, data=look)
    page = http.calls("GET", "/jobs/{job_id}", JOB_ID=job).text
    # The page asks first: the form is behind a summary, and needs no script.
    asking = page[page.index('<details class="confirm">') :]
    assert asking.index("cannot be undone") < asking.index(f'action="/jobs/{job}/delete"')
    gallery = http.calls("GET", "/gallery", query="?text=STAR&state=canceled").text
    assert f"/jobs/{job}" in gallery
    assert "origin-title" in http.calls("POST", "/provenance", files={"file": png()}).text
    http.calls("POST", "/jobs/{job_id}/delete", 303, JOB_ID=job)
    http.calls("GET", "/jobs/{job_id}", 404, JOB_ID=job)
    http.calls("GET", "/workers")
    assert http.calls("GET", "/thumbnails/{sha256}", SHA256=file).content == png()
    http.calls("GET", "/assets/{version}/{name}", VERSION="1", NAME="page.css")
    http.calls("GET", "/login")
    http.calls("POST", "/login", 303, data={"key": secret})
    http.calls("POST", "/preferences", 303, data={"language": "zh"})
    http.calls("POST", "/logout", 303)


def the_reviews(http: Visitor, settings: Settings) -> None:
    held = {
        job_id: held_result(settings, job_id).sha256 for job_id in ("held-1", "held-2", "held-3", "held-4")
    }
    assert len(http.calls("GET", "/v1/reviews").json()["reviews"]) == len(held)
    assert http.calls("GET", "/v1/reviews/{job_id}", JOB_ID="held-1").json()["reason"] == REASON
    name = held["held-1"]
    file = http.calls("GET", "/v1/reviews/{job_id}/files/{sha256}", JOB_ID="held-1", SHA256=name)
    assert file.headers["Content-Type"] == "image/png"
    assert name in http.calls("GET", "/reviews").text
    http.calls("POST", "/v1/reviews/{job_id}/release", JOB_ID="held-1")
    http.calls("POST", "/v1/reviews/{job_id}/refuse", JOB_ID="held-2", json={"reason": "No."})
    http.calls("POST", "/reviews/{job_id}/release", 303, JOB_ID="held-3")
    http.calls("POST", "/reviews/{job_id}/refuse", 303, JOB_ID="held-4", data={"reason": "No."})
    assert http.calls("GET", "/v1/reviews").json()["reviews"] == []


def test_every_route_works(settings: Settings, database: Database) -> None:
    secret = key(settings, "operator", [Scope.ADMIN])
    app = create_app(settings, PAGE)
    with TestClient(app, base_url=HERE) as client:
        http = Visitor(client, bearer(secret))
        the_api(http, database)
        the_page(http, settings, secret)
        the_reviews(http, settings)
    assert http.visited == set(routes_of(app.routes))


def test_a_tenant_is_shown_its_own_alone(settings: Settings, database: Database) -> None:
    with TestClient(create_app(settings, PAGE), base_url=HERE) as client:
        mine, other = (Visitor(client, bearer(key(settings, name))) for name in ("mine", "other"))
        job = mine.calls("POST", "/v1/jobs", 201, json=DRAW).json()["id"]
        file = mine.calls("POST", "/v1/files", 201, content=png(), headers=PNG).json()["sha256"]
        for visitor, status in ((mine, 200), (other, 404)):
            visitor.calls("GET", "/v1/jobs/{job_id}", status, JOB_ID=job)
            visitor.calls("GET", "/v1/files/{sha256}", status, SHA256=file)
            visitor.calls("GET", "/thumbnails/{sha256}", status, SHA256=file)
            visitor.calls("POST", "/v1/jobs/{job_id}/cancel", status, JOB_ID=job)
        other.calls("DELETE", "/v1/jobs/{job_id}", 404, JOB_ID=job)
        other.calls("POST", "/jobs/{job_id}/delete", 404, JOB_ID=job)
        reader = Visitor(client, bearer(key(settings, "mine", [Scope.READ])))
        reader.calls("DELETE", "/v1/jobs/{job_id}", 403, JOB_ID=job)
        reader.calls("POST", "/jobs/{job_id}/delete", 403, JOB_ID=job)
        assert [each["id"] for each in mine.calls("GET", "/v1/jobs").json()["jobs"]] == [job]
        assert other.calls("GET", "/v1/jobs").json()["jobs"] == []
        mine.calls("DELETE", "/v1/jobs/{job_id}", 204, JOB_ID=job)
        assert mine.calls("GET", "/v1/jobs").json()["jobs"] == []
