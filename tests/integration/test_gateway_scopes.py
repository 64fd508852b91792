"""Every route and every field of an answer, with the scope that opens it, against `gateway_scopes.toml`."""

import tomllib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork_core.access.api_keys import ApiKeys, Scope
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import JobError
from brushwork_schemas.worker import WorkerEntry
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from tests.gateways import HERE, bearer, gateway, key
from tests.jobs import KIND, begun, new_job, result_of

pytestmark = pytest.mark.one_database("a scope opens the same on both")
TABLE = tomllib.loads(Path(__file__).with_name("gateway_scopes.toml").read_text("utf-8"))
ROUTES: Mapping[str, str] = TABLE["routes"]
FIELDS: Mapping[str, Mapping[str, list[str]]] = TABLE["fields"]
SECRET = "nobody else's prompt"
NAMES = {"job_id": "0" * 8, "sha256": "0" * 64, "name": "start.js", "version": "1"}


def _routes(routes: list[BaseRoute]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from _routes(router.routes)


def _classes(annotation: Any, found: dict[str, set[str]]) -> dict[str, set[str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation.__name__ in found:
            return found
        found[annotation.__name__] = set(annotation.model_fields)
        for each in annotation.model_fields.values():
            _classes(each.annotation, found)
    for argument in typing.get_args(annotation):
        _classes(argument, found)
    return found


def test_the_table_lists_every_route(settings: Settings) -> None:
    found = {
        f"{method} {route.path}"
        for route in _routes(create_app(settings, PAGE).routes)
        for method in route.methods
    }
    assert found | {"GET /v1/openapi.json"} == set(ROUTES)


def test_the_table_lists_every_field_of_an_answer(settings: Settings) -> None:
    found: dict[str, set[str]] = {}
    for route in _routes(create_app(settings, PAGE).routes):
        _classes(route.response_model, found)
    listed = {
        name: [field for fields in parts.values() for field in fields] for name, parts in FIELDS.items()
    }
    assert {name: set(fields) for name, fields in listed.items()} == found
    assert all(len(fields) == len(set(fields)) for fields in listed.values())


def test_a_route_is_open_to_its_scope_alone(settings: Settings) -> None:
    keys = {scope.value: bearer(key(settings, "mine", [scope])) for scope in Scope}
    with gateway(settings) as http:
        wrong = [
            (route, caller, refused)
            for route, scope in ROUTES.items()
            for caller, headers in {"none": {}, **keys}.items()
            if (refused := _refusal(http, route, headers)) != _expected(scope, caller, route)
        ]
    assert wrong == []


def _refusal(http: TestClient, route: str, headers: Mapping[str, str]) -> str:
    """Return `key` where the route asks for one, `scope` where it asks for another, else nothing."""
    method, path = route.split(" ")
    answer = http.request(method, path.format(**NAMES), headers=dict(headers), follow_redirects=False)
    is_login = answer.status_code == 303 and answer.headers["Location"].startswith("/login?")
    if answer.status_code == 401 or is_login:
        return "key"
    return "scope" if answer.status_code == 403 else ""


def _expected(scope: str, caller: str, route: str) -> str:
    if scope in ("none", "own"):
        # A login with a key that is none is refused like a call without one.
        return "key" if route == "POST /login" else ""
    if caller == "none":
        return "key"
    return "" if caller in (scope, "admin") else "scope"


@pytest.fixture
def job(database: Database) -> str:
    """A job of the tenant `mine` that has succeeded, with a prompt."""
    ledger = Ledger(database, lease_s=600)
    ledger.submit([new_job("a" * 8, tenant="mine", group="g", idempotency_key="k")])
    fence = begun(ledger, "a" * 8)
    ledger.complete("a" * 8, fence, result_of(7), [])
    return "a" * 8


def _assert_unread(shown: Mapping[str, Any], but: tuple[str, ...] = ()) -> None:
    hidden = [*FIELDS["JobView"]["read"], *FIELDS["JobView"]["sent"]]
    assert {name: shown[name] for name in hidden if shown[name] and name not in but} == {}
    assert all(shown[name] is not None for name in ("id", "kind", "model", "state", "created_at", "links"))


def test_a_key_that_only_submits_reads_no_job(settings: Settings, job: str) -> None:
    headers = bearer(key(settings, "mine", [Scope.SUBMIT]))
    with gateway(settings) as http:
        canceled = http.post(f"/v1/jobs/{job}/cancel", headers=headers).json()
        assert canceled["outcome"] == "too_late"
        _assert_unread(canceled["job"])
        again = http.post(f"/v1/jobs/{job}/retry", headers=headers, json={})
        assert again.status_code == 201
        _assert_unread(again.json())
        assert "a red circle" not in again.text
        assert http.get(again.headers["Location"], headers=headers).status_code == 403


def test_a_key_that_only_submits_sees_the_request_that_it_sent(
    settings: Settings, database: Database
) -> None:
    headers = bearer(key(settings, "mine", [Scope.SUBMIT])) | {"Idempotency-Key": "one"}
    body = {"kind": KIND, "prompt": SECRET}
    with gateway(settings) as http:
        first = http.post("/v1/jobs", headers=headers, json=body).json()
        ledger = Ledger(database, lease_s=600)
        fence = begun(ledger, first["id"])
        error = JobError(code="internal", message=f"It was about {SECRET}", fault="machine")
        ledger.fail(first["id"], fence, error)
        second = http.post("/v1/jobs", headers=headers, json=body)
    assert first["request"]["prompt"] == second.json()["request"]["prompt"] == SECRET
    assert second.status_code == 200
    _assert_unread(second.json(), but=("request",))


def test_a_tenant_does_not_see_which_models_others_have_trained(
    settings: Settings, database: Database
) -> None:
    ledger = Ledger(database, lease_s=600)
    ledger.submit(
        [
            new_job("1" * 8, kind="image-classification-training", tenant="mine"),
            new_job("2" * 8, kind="image-classification-training", tenant="other"),
        ]
    )
    models = ("pocket-classifier", "trained:11111111", "trained:22222222", "trained:33333333")
    figures = {f"{model} network": {"runs": 1} for model in models}
    WorkerRegistry(database).announce(
        WorkerEntry("w", ("image-classification",), models, "cpu", ready=True, batching=figures)
    )
    with gateway(settings) as http:
        mine, all_of = (
            http.get("/v1/workers", headers=bearer(key(settings, tenant, [scope]))).json()["workers"][0]
            for tenant, scope in (("mine", Scope.READ), ("", Scope.ADMIN))
        )
        page = http.get("/workers", headers=bearer(key(settings, "mine", [Scope.READ]))).text
    assert mine["models"] == ["pocket-classifier", "trained:11111111"]
    assert set(mine["batching"]) == {"pocket-classifier network", "trained:11111111 network"}
    assert tuple(all_of["models"]) == models
    assert "trained:22222222" not in page
    assert "trained:11111111" in page


def test_refused_scopes_count_against_the_rate(settings: Settings, database: Database) -> None:
    secret = ApiKeys(database).create("r", tenant="mine", scopes=[Scope.READ], requests_per_minute=3)
    headers = bearer(secret)
    with gateway(settings) as http:
        calls = (("POST", "/v1/jobs"), ("GET", "/metrics"), ("DELETE", "/v1/jobs/x"), ("GET", "/v1/jobs"))
        found = [http.request(method, path, headers=headers).status_code for method, path in calls]
    assert found == [403, 403, 403, 429]


@pytest.mark.parametrize(
    "path", ["/v1/jobs/", "/v1/models/", "/gallery/", "/docs/", "/metrics/", "/v1/files/"]
)
def test_no_answer_redirects_to_the_host_that_a_request_names(settings: Settings, path: str) -> None:
    headers = {**bearer(key(settings, "mine", [Scope.ADMIN])), "Host": "evil.example"}
    with TestClient(create_app(settings, PAGE), base_url=HERE) as http:
        answer = http.get(path, headers=headers, follow_redirects=False)
    assert answer.status_code == 404
    assert "evil.example" not in answer.headers.get("Location", "")
