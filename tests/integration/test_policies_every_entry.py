"""Every action of a policy through every entry point: a list of words, and a classifier's threshold.

All jobs are sent first, so that workers take them together. Each is then read where it was sent.
"""

import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from brushwork import Client
from brushwork.cli import main
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import JobFailed, JobNotFound
from celery import Celery

from tests.integration.embedded import Up
from tests.policy_files import ACTIONS
from tests.servers import wait_until

WAIT_S = 180.0
PROMPTS = {
    "stars": "a large red star in the center on a white background",
    "words": "a large purple circle in the center on a white background",
}
AT_THE_DOOR = "refused at the door"
Case = tuple[str, str, str]


class Entries:
    """Sends jobs, and reads them, through each entry point.

    Args:
        stack: Addresses of the service.
        address: Address of its gateway.
    """

    def __init__(self, stack: Settings, address: str) -> None:
        self.address = address
        self._client = Client(settings=stack)
        self._http = httpx.Client(base_url=address, timeout=60, headers={"Accept-Language": "en"})
        backend = f"brushwork+{stack.database_url.get_secret_value()}"
        self._celery = Celery(broker=stack.redis_url.get_secret_value(), backend=backend)
        self._celery.conf.result_backend_transport_options = {"own_results": "cache+memory://"}

    def close(self) -> None:
        self._client.close()
        self._http.close()
        self._celery.close()

    def known(self, job_id: str) -> bool:
        try:
            return self._client.get(job_id).is_finished
        except JobNotFound:
            return False

    def send_client(self, **asked: Any) -> str:
        return self._client.submit("text-to-image", **asked).id

    def read_client(self, job_id: str) -> str:
        return action_of(json.loads(self._client.get(job_id).model_dump_json()))

    def send_http(self, **asked: Any) -> str:
        return self._accepted(self._http.post("/v1/jobs", json={"kind": "text-to-image", **asked}))

    def read_http(self, job_id: str) -> str:
        return action_of(self._http.get(f"/v1/jobs/{job_id}").json())

    def send_bare(self, **asked: Any) -> str:
        return self._celery.send_task("brushwork.text-to-image", kwargs=asked, queue="text-to-image").id

    def read_bare(self, job_id: str) -> str:
        result = self._celery.AsyncResult(job_id)
        if result.state == "STARTED":
            return "hold"
        if isinstance(result.result, JobFailed):
            return "refuse" if "policy_refused" in str(result.result) else str(result.result)
        return action_of({"state": "succeeded", "result": result.result, "error": None})

    def send_command(self, **asked: Any) -> str:
        status, shown = self.run(
            "submit", "text-to-image", *(f"{name}={each}" for name, each in asked.items())
        )
        if status:
            assert "Refused by the policy" in shown, shown
            return AT_THE_DOOR
        return shown.split()[-1]

    def read_command(self, job_id: str) -> str:
        return action_of(json.loads(self.run("show", job_id, "--json")[1]))

    def send_page(self, **asked: Any) -> str:
        return self._accepted(self._http.post("/jobs", data={"kind": "text-to-image", **asked}))

    def read_page(self, job_id: str) -> str:
        page = self._http.get(f"/jobs/{job_id}").text
        marks = {
            "refuse": "<code>policy_refused</code>",
            "hold": "The result waits for a review",
            "flag": 'data-code="policy_flagged"',
            "blur": 'data-code="policy_blurred"',
        }
        return " and ".join(action for action, mark in marks.items() if mark in page)

    run: Callable[..., tuple[int, str]]

    @staticmethod
    def _accepted(answer: httpx.Response) -> str:
        if answer.status_code == 403:
            assert "policy_refused" in answer.text or "It names a colour." in answer.text
            return AT_THE_DOOR
        assert answer.status_code in (201, 202, 303), answer.text
        return answer.headers["Location"].rpartition("/")[2]


def action_of(job: dict[str, Any]) -> str:
    """What was done with a job, as its JSON says it."""
    if job["error"]:
        return "refuse" if job["error"]["code"] == "policy_refused" else job["error"]["code"]
    if job["result"] is None:
        return "hold" if job.get("review") else job["state"]
    codes = [each["code"] for each in job["result"].get("warnings", ())]
    return " and ".join(
        action for action, code in (("flag", "policy_flagged"), ("blur", "policy_blurred")) if code in codes
    )


ENTRIES = ("client", "http", "bare", "command", "page")
CASES = list(product(ENTRIES, PROMPTS, ACTIONS))


@pytest.fixture(scope="module")
def entries(running_up: Up, stack: Settings) -> Iterator[Entries]:
    found = Entries(stack, running_up.addresses()["BRUSHWORK_GATEWAY_URL"])
    yield found
    found.close()


@pytest.fixture(scope="module")
def sent() -> dict[Case, str]:
    """The jobs of all cases, by case. Each is sent when it is first asked for: with all others."""
    return {}


@pytest.fixture
def job(
    entries: Entries,
    sent: dict[Case, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    monkeypatch.setenv("BRUSHWORK_URL", entries.address)

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    entries.run = run
    for case in CASES if not sent else ():
        entry, policy, action = case
        asked = {
            "prompt": PROMPTS[policy],
            "model": "pocket-turbo",
            "seed": 3,
            "tenant": f"{policy}-{action}",
        }
        sent[case] = getattr(entries, f"send_{entry}")(**asked)
    return lambda *case: sent[case]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("policy", PROMPTS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_an_action_is_seen_where_the_job_was_sent(
    entries: Entries, job: Callable[..., str], entry: str, policy: str, action: str
) -> None:
    job_id = job(entry, policy, action)
    if (policy, action) == ("words", "refuse") and entry not in ("client", "bare"):
        # A gateway refuses a request at once. A client without policies and a message reach the worker.
        assert job_id == AT_THE_DOOR
        return
    wait_until(lambda: entries.known(job_id), bound_s=WAIT_S, what=f"the end of {job_id}")
    assert getattr(entries, f"read_{entry}")(job_id) == action
