"""`brushwork keys`: the key alone on standard output, and once; lists and JSON; exit status."""

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from brushwork_core.access.api_keys import ApiKeys, Scope
from brushwork_core.access.key_usage import KeyUsage, Usage
from brushwork_core.database.database import Database

from tests.commands import Answer, run_command

Run = Callable[..., Answer]


@pytest.fixture
def service(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], service: Database) -> Run:
    return partial(run_command, capsys, "keys")


def test_the_key_can_be_captured(run: Run, service: Database) -> None:
    made = run(
        "create", "phone app", "--tenant", "acme", "--scope", "read", "--scope", "admin",
        "--requests-per-minute", "60", "--daily-budget", "2.5", "--max-open-jobs", "3", "--expires-in", "90d",
    )  # fmt: skip
    assert made.status == 0
    found = ApiKeys(service).verify(made.out.removesuffix("\n"))
    assert (found.name, found.tenant, found.scopes) == ("phone app", "acme", {Scope.READ, Scope.ADMIN})
    assert (found.requests_per_minute, found.daily_budget, found.max_open_jobs) == (60, 2.5, 3)
    assert found.expires_at is not None
    assert (found.expires_at - found.created_at).days == 90
    assert found.id in made.err
    assert made.out.strip() not in made.err


def test_as_json_the_key_comes_with_what_it_may(run: Run, service: Database) -> None:
    made = json.loads(run("create", "app", "--json").out)
    assert made["scopes"] == ["read", "submit"]
    assert ApiKeys(service).verify(made["key"]).id == made["id"]


def test_lists_show_use_and_standing_and_no_secret(run: Run, service: Database) -> None:
    key = run("create", "app", "--daily-budget", "10").out.strip()
    key_id = key.split("_")[1]
    KeyUsage(service).charge(key_id, Usage(2, 2.5))
    (listed,) = json.loads(run("list", "--json").out)
    assert (listed["id"], listed["used_today"]) == (key_id, {"num_jobs": 2, "cost": 2.5})
    table = run("list").out
    assert "2.5 of 10" in table
    assert key.split("_")[2] not in table + json.dumps(listed)


def test_revoked_keys_stay_in_the_list(run: Run) -> None:
    key_id = run("create", "app").out.split("_")[1]
    assert "revoked" in run("revoke", key_id).out
    assert "revoked" in run("list").out
    assert json.loads(run("revoke", key_id, "--json").out)["revoked_at"] is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("revoke", "0123456789ab"), "no key"),
        (("create", "app", "--tenant", "with space"), "tenant"),
        (("create", "app", "--expires-in", "never"), "expires-in"),
        (("create", "app", "--scope", "root"), "scope"),
        (("create", "app", "--requests-per-minute", "0"), "requests-per-minute"),
        (("create", "app", "--daily-budget", "-1"), "daily_budget"),
    ],
)
def test_what_is_wrong_ends_with_status_2(run: Run, arguments: tuple[str, ...], words: str) -> None:
    answer = run(*arguments)
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.err


def test_nowhere_is_a_key_made_without_a_service(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRUSHWORK_DATABASE_URL")
    answer = run("create", "app")
    assert (answer.status, answer.out) == (78, "")
    assert "brushwork up" in answer.err
    assert "does not work over HTTP" in answer.err
