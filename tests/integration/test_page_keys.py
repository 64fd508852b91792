"""The page's views without a browser, where keys are asked for: to whom they show what."""

import re
from collections.abc import Iterator

import pytest
from brushwork import Client
from brushwork_core.access.api_keys import Scope
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.gateways import gateway, key
from tests.pages import COOKIE, submitted

pytestmark = pytest.mark.one_database(
    "ApiKeys and lists are tested on both, and test_gateway_routes calls every route on both"
)


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with gateway(settings, follow_redirects=False) as client:
        yield client


class TestKeys:
    @pytest.fixture
    def mine(self, settings: Settings) -> str:
        return key(settings, "mine")

    def test_who_is_unknown_may_log_in_and_out(self, http: TestClient, mine: str) -> None:
        answer = http.get("/gallery?text=a")
        assert answer.headers["Location"] == "/login?next=%2Fgallery%3Ftext%3Da"
        assert http.get(answer.headers["Location"]).status_code == 200
        wrong = http.post("/login", data={"key": "bw_wrong", "next": "/gallery"})
        assert wrong.status_code == 401
        assert "Set-Cookie" not in wrong.headers
        right = http.post("/login", data={"key": f" {mine} ", "next": "/gallery"})
        assert right.headers["Location"] == "/gallery"
        assert re.search("HttpOnly.*SameSite=strict", right.headers["Set-Cookie"])
        assert http.get("/gallery").status_code == 200
        assert http.post("/logout").headers["Location"] == "/login"
        assert http.get("/gallery").status_code == 303

    def test_over_https_the_cookie_stays_there(self, http: TestClient, mine: str) -> None:
        answer = http.post("https://127.0.0.1/login", data={"key": mine})
        assert "Secure" in answer.headers["Set-Cookie"]

    def test_another_tenants_jobs_are_not_there(
        self, http: TestClient, settings: Settings, mine: str
    ) -> None:
        theirs = submitted(settings, tenant="theirs")
        own = submitted(settings, tenant="mine", prompt="my own")
        http.cookies.set(COOKIE, mine)
        assert http.get(f"/jobs/{own.id}").status_code == 200
        assert http.get(f"/jobs/{theirs.id}").status_code == 404
        assert http.get(f"/?again={theirs.id}").status_code == 404
        for action in ("again", "cancel"):
            assert http.post(f"/jobs/{theirs.id}/{action}").status_code == 404
        assert http.get("/gallery").text.count('class="card ') == 1
        assert http.get("/").text.count('class="card ') == 1

    def test_another_tenants_pictures_are_not_there(
        self, http: TestClient, settings: Settings, mine: str
    ) -> None:
        theirs = submitted(settings, kind="image-to-text", tenant="theirs")
        http.cookies.set(COOKIE, mine)
        assert http.get(f"/thumbnails/{theirs.request.image}").status_code == 404
        form = {"kind": "image-to-text", "image_sha256": theirs.request.image}
        assert http.post("/jobs", data=form).status_code == 422

    def test_a_key_that_only_reads_is_offered_nothing_more(
        self, http: TestClient, settings: Settings
    ) -> None:
        http.cookies.set(COOKIE, key(settings, "mine", [Scope.READ]))
        assert "data-maker" not in http.get("/").text
        assert http.post("/jobs", data={"kind": "text-to-image", "prompt": "a"}).status_code == 403

    @pytest.mark.parametrize(
        "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
    )
    def test_other_sites_can_not_submit(self, http: TestClient, mine: str, headers: dict[str, str]) -> None:
        http.cookies.set(COOKIE, mine)
        form = {"kind": "text-to-image", "prompt": "a"}
        assert http.post("/jobs", data=form, headers=headers).status_code == 403
        assert 'class="card ' not in http.get("/").text

    def test_forms_of_its_own_pass(self, http: TestClient, mine: str) -> None:
        http.cookies.set(COOKIE, mine)
        headers = {"Origin": "http://127.0.0.1:8600", "Sec-Fetch-Site": "same-origin"}
        form = {"kind": "text-to-image", "prompt": "a", "tenant": "theirs"}
        answer = http.post("/jobs", data=form, headers=headers)
        assert http.get(answer.headers["Location"]).status_code == 200


def test_a_key_that_may_not_read_is_shown_no_jobs(http: TestClient, settings: Settings) -> None:
    with Client(settings=settings) as client:
        client.submit("text-to-image", prompt="words of somebody", tenant="t")
    http.cookies.set(COOKIE, key(settings, "t", [Scope.SUBMIT]))
    refused = http.post("/jobs", data={"kind": "text-to-image", "prompt": ""})
    assert refused.status_code == 422
    assert "words of somebody" not in refused.text
    http.cookies.set(COOKIE, key(settings, "t"))
    assert "words of somebody" in http.post("/jobs", data={"kind": "text-to-image", "prompt": ""}).text


def test_a_key_of_another_gateway_is_dropped_where_none_is_asked_for(http: TestClient) -> None:
    http.cookies.set(COOKIE, "bw_0123456789ab_" + 64 * "0", domain="127.0.0.1")
    asked = http.get("/")
    assert asked.headers["Location"] == "/login?next=%2F"
    led_on = http.get(asked.headers["Location"])
    assert (led_on.status_code, led_on.headers["Location"]) == (303, "/")
    assert f'{COOKIE}=""' in led_on.headers["Set-Cookie"]
