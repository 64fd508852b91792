"""The passwords of .env.example are refused by every process that reads settings."""

from pathlib import Path
from typing import Any

import pytest
from brushwork import InvalidRequest, Settings

from tests.commands import run_command

GOOD_SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
UNCHANGED = [
    ("redis_url", "redis://:change-me@redis:6379/0"),
    ("redis_url", "redis://default:CHANGE-ME@redis:6379/0"),
    ("redis_url", "redis://:change%2Dme@redis:6379/0"),
    ("redis_url", "rediss://redis:6379/0?password=change_me"),
    ("redis_url", "sentinel://:own@a:26379/0;sentinel://:change-me@b:26379/0"),
    ("database_url", "postgresql+psycopg://brushwork:change-me@postgres:5432/brushwork"),
    ("database_url", "postgresql+psycopg://brushwork:Change%20Me@postgres/brushwork"),
    ("database_url", "postgresql+psycopg://postgres/brushwork?user=brushwork&password=changeme"),
    ("webhook_secret", "change-me"),
    ("webhook_secret", "whsec_change-me"),
    ("webhook_secret", f"{GOOD_SECRET} change-me"),
]
OWN = [
    ("redis_url", "redis://:do-not-change-me@redis:6379/0"),
    ("redis_url", "redis://change-me:6379/0"),
    ("database_url", "postgresql+psycopg://change-me:own@postgres/change-me"),
    ("database_url", "postgresql+psycopg://[::1/brushwork"),
    ("database_url", "sqlite:////change-me/ledger.sqlite3"),
    ("webhook_secret", GOOD_SECRET),
]


@pytest.fixture(autouse=True)
def _nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))


@pytest.mark.parametrize(("name", "value"), UNCHANGED)
def test_a_password_that_was_not_changed_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match="still has the password of the example") as raised:
        Settings.load(**{name: value})
    assert (raised.value.field, f"BRUSHWORK_{name.upper()}" in str(raised.value)) == (name, True)
    assert "redis:6379" not in str(raised.value)


@pytest.mark.parametrize(("name", "value"), OWN)
def test_a_password_of_one_s_own_is_not(name: str, value: str) -> None:
    got: Any = getattr(Settings.load(**{name: value}), name)
    assert got.get_secret_value() == value


@pytest.mark.parametrize(
    "command",
    [
        ["worker"], ["gateway"], ["migrate"], ["prune"], ["webhooks", "send"], ["keys", "list"], ["workers"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize(
    "name", ["BRUSHWORK_REDIS_URL", "BRUSHWORK_DATABASE_URL", "BRUSHWORK_WEBHOOK_SECRET"]
)
def test_no_process_starts_with_it(
    command: list[str], name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", "postgresql+psycopg://b:own@127.0.0.1:1/b")
    unchanged = {name.upper().removeprefix("BRUSHWORK_"): value for name, value in reversed(UNCHANGED)}
    monkeypatch.setenv(name, unchanged[name.removeprefix("BRUSHWORK_")])
    answer = run_command(capsys, *command)
    # 78: an operator must change something; 2: a caller must.
    assert answer.status == (2 if command == ["workers"] else 78)
    assert "still has the password of the example" in answer.err.replace("\n", " ")
    assert name in answer.err
