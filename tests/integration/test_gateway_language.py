"""The reader's language over HTTP, on the page and from a bare message."""

import re
from collections.abc import Iterator

import pytest
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_workers.dispatch.bare_messages import BareMessages
from starlette.testclient import TestClient

from tests.gateways import gateway

pytestmark = pytest.mark.one_database("texts do not depend on the database")
WRONG = {"kind": "text-to-image", "prompt": "", "width": 17, "steps": 3, "tenant": "租户一"}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with gateway(settings) as client:
        yield client


def test_all_wrong_fields_in_both_languages(http: TestClient) -> None:
    for accepted, language in (("", "en"), ("zh-CN,zh;q=0.9,en;q=0.5", "zh"), ("fr", "en")):
        answer = http.post("/v1/jobs", json=WRONG, headers={"Accept-Language": accepted})
        assert answer.status_code == 422
        assert answer.headers["Content-Language"] == language
        assert "Accept-Language" in answer.headers["Vary"]
        problem = answer.json()
        assert {each["field"] for each in problem["errors"]} == {"prompt", "width", "steps", "tenant"}
        texts = [problem["title"], problem["detail"], *(each["message"] for each in problem["errors"])]
        assert all(bool(HAN.search(text)) == (language == "zh") for text in texts)
        # Codes and templates do not depend on the language.
        assert problem["code"] == "invalid_request"
        assert {each["code"] for each in problem["errors"]} >= {"multiple_of", "extra_forbidden"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/jobs/nobody", 404),
        ("PUT", "/v1/jobs", 405),
        ("GET", "/v1/jobs?limit=x", 422),
        ("POST", "/v1/jobs", 415),
        ("GET", "/v1/files/" + "0" * 64, 404),
        ("GET", "/v1/jobs?cursor=zzz", 422),
        ("GET", "/v1/jobs?state=tired", 422),
    ],
)
def test_every_refusal_is_in_the_language_of_the_reader(
    http: TestClient, method: str, path: str, status: int
) -> None:
    chinese = http.request(method, path, headers={"Accept-Language": "zh", "Accept": "application/json"})
    english = http.request(method, path, headers={"Accept": "application/json"})
    assert (chinese.status_code, english.status_code) == (status, status)
    assert chinese.json()["code"] == english.json()["code"]
    assert HAN.search(chinese.json()["detail"])
    assert HAN.search(chinese.json()["title"])
    assert not HAN.search(english.text)


def test_a_browser_at_an_unknown_address_gets_a_page(http: TestClient) -> None:
    for path in ("/nothing", "/v1/nothing", "/no/such/address"):
        page = http.get(path, headers={"Accept": BROWSER, "Accept-Language": "zh"})
        assert page.status_code == 404
        assert page.headers["Content-Type"].startswith("text/html")
        assert f"没有路径 {path}。" in page.text
        for accepted in ("application/json", "*/*"):
            problem = http.get(path, headers={"Accept": accepted})
            assert problem.headers["Content-Type"] == "application/problem+json"


def test_the_page_says_each_error_once_under_its_field(http: TestClient) -> None:
    form = {
        "kind": "text-to-image",
        "prompt": "x",
        "width": "17",
        "num_inference_steps": "0",
        "tenant": "租户一",
    }
    answer = http.post("/jobs", data=form, headers={"Accept-Language": "zh"})
    assert answer.status_code == 422
    problems = dict(re.findall(r'<p class="problem" id="field-(\w+)-error">(.*?)</p>', answer.text))
    assert problems == {
        "width": "必须是 8 的倍数。收到的值是 17。",
        "num_inference_steps": "必须大于或等于 1。收到的值是 0。",
        "tenant": "只能由英文字母、数字和 ASCII 标点组成，不能有空格。",
    }
    for text in problems.values():
        assert answer.text.count(text) == 1
    assert re.findall(r'<a href="#field-\w+">(.*?)</a>', answer.text) == ["宽度", "迭代步数", "租户"]
    english = http.post("/jobs", data=form, headers={"Accept-Language": "en"})
    assert "Must be a multiple of 8. Got 17." in english.text


def test_the_error_of_a_bare_message_is_stored_whole_and_read_in_both_languages(settings: Settings) -> None:
    wrong = {name: value for name, value in WRONG.items() if name != "kind"}
    with gateway(settings) as http:
        services = http.app.state.services  # type: ignore[attr-defined]
        ledger = Ledger(services.database)
        messages = BareMessages(ledger, services.store, Catalogue.load(), max_attempts=3)
        messages.accept("refused-1", "text-to-image", (), wrong)
        chinese = http.get("/v1/jobs/refused-1", headers={"Accept-Language": "zh"}).json()["error"]
        english = http.get("/v1/jobs/refused-1").json()["error"]
        page = http.get("/jobs/refused-1", headers={"Accept-Language": "zh"}).text
    for error in (chinese, english):
        assert {each["field"] for each in error["errors"]} == {"prompt", "width", "steps", "tenant"}
    assert all(HAN.search(each["message"]) for each in chinese["errors"])
    assert not any(HAN.search(each["message"].replace("租户一", "")) for each in english["errors"])
    assert "宽度：必须是 8 的倍数。收到的值是 17。" in page
    assert "请求无效" in page
