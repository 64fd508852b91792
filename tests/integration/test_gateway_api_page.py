"""The interactive page of the HTTP API, which loads nothing from other hosts."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.gateways import gateway, key, settings_at

pytestmark = pytest.mark.one_database("the page says nothing of any job")


@pytest.fixture
def http(sqlite_url: str, tmp_path: Path) -> Iterator[TestClient]:
    settings = settings_at(sqlite_url, tmp_path)
    # Even where keys are asked for: the document needs none.
    key(settings)
    with gateway(settings) as http:
        yield http


def test_it_names_no_other_host(http: TestClient) -> None:
    page = http.get("/docs")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "//" not in page.text
    for link in re.findall(r'(?:href|src|data-document)="(/[^"]*)"', page.text):
        assert http.get(link).status_code == 200, link


def test_the_policy_allows_no_other_host(http: TestClient) -> None:
    policy = http.get("/docs").headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert not re.search(r"https?:|\*|unsafe-eval", policy)


@pytest.mark.parametrize("name", ["redoc.standalone.js", "favicon.png", "..%2Fcore.py", "core.py"])
def test_it_gives_away_no_other_file(http: TestClient, name: str) -> None:
    assert http.get(f"/docs/{name}").status_code == 404
