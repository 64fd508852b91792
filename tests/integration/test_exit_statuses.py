"""Exit statuses of services and commands of operators: another start can succeed (75), or it cannot (78)."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from brushwork.cli.exit_status import MEANINGS, ExitStatus
from brushwork_core.settings.environment import ENV_FILE

from tests.commands import Answer, run_command
from tests.servers import PostgresServer, RedisServer, free_port

Run = Callable[..., Answer]
AWAY, MISCONFIGURED = ExitStatus.SERVICE_AWAY, ExitStatus.MISCONFIGURED
SECRET = "whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"
# Each service and each command of operators that opens the database.
COMMANDS = {
    "worker": ("worker", "--kinds", "image-to-text", "--name", "one"),
    "gateway": ("gateway", "--port", "0"),
    "sender": ("webhooks", "send"),
    "webhooks": ("webhooks", "list"),
    "migrate": ("migrate",),
    "prune": ("prune",),
    "keys": ("keys", "list"),
}
DOES_NOT_MIGRATE = ("webhooks", "prune", "keys")


@pytest.fixture
def run(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))
    monkeypatch.setenv("BRUSHWORK_WEBHOOK_SECRET", SECRET)

    def run(*arguments: str, **variables: str) -> Answer:
        for name, value in variables.items():
            monkeypatch.setenv(f"BRUSHWORK_{name}", value)
        return run_command(capsys, *arguments)

    return run


def postgres(port: int) -> str:
    return f"postgresql+psycopg://someone:secret@127.0.0.1:{port}/ledger"


WRONG_SETTINGS = {
    "a number that is none": ("LEASE_S", "soon"),
    "a number out of its limits": ("LEASE_S", "-1"),
    "an address of another database": ("DATABASE_URL", "mysql://host/name"),
    "an address without a scheme": ("DATABASE_URL", "ledger.sqlite3"),
    "a port that is none": ("DATABASE_URL", "postgresql+psycopg://u:p@host:port/name"),
    "an address of another broker": ("REDIS_URL", "amqp://host"),
    "a number of a Redis database that is none": ("REDIS_URL", "redis://host/first"),
    "a folder that cannot be": ("DATABASE_URL", "sqlite:////proc/none/ledger.sqlite3"),
}


@pytest.mark.parametrize("command", [*COMMANDS, "up", "doctor"])
@pytest.mark.parametrize("wrong", WRONG_SETTINGS)
def test_a_wrong_setting(run: Run, tmp_path: Path, command: str, wrong: str) -> None:
    name, value = WRONG_SETTINGS[wrong]
    if command in ("up", "doctor") and name != "LEASE_S":
        pytest.skip("`up` chooses its addresses itself; `doctor` reports the finding")
    arguments = {"up": ("up", "--data", str(tmp_path / "up")), "doctor": ("doctor",)} | COMMANDS
    answer = run(*arguments[command], **{name: value})
    assert answer.status == MISCONFIGURED, answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_is_away(run: Run, command: str) -> None:
    answer = run(*COMMANDS[command], DATABASE_URL=postgres(free_port()))
    assert (answer.status, "does not answer" in answer.err) == (AWAY, True)


@pytest.fixture(scope="module")
def guarded(postgres_server: PostgresServer) -> PostgresServer:
    """A server with a user that has a password."""
    hba = next(Path(postgres_server.url("x").partition("host=")[2]).glob("data/pg_hba.conf"))
    lines = hba.read_text()
    hba.write_text(f"local all guarded scram-sha-256\n{lines}")
    postgres_server.execute("CREATE USER guarded PASSWORD 'right'; SELECT pg_reload_conf()")
    return postgres_server


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_password_of_the_database(run: Run, guarded: PostgresServer, command: str) -> None:
    url = guarded.url("ledger").replace("tester@", "guarded:wrong@")
    answer = run(*COMMANDS[command], DATABASE_URL=url)
    assert (answer.status, "password authentication failed" in answer.err) == (MISCONFIGURED, True)


@pytest.mark.parametrize(
    ("right", "wrong"), [("tester@", "nobody@"), ("/ledger?", "/no_such_database?"), ("tester@", "guarded@")]
)
def test_other_refusals_of_the_database(run: Run, guarded: PostgresServer, right: str, wrong: str) -> None:
    answer = run("keys", "list", DATABASE_URL=guarded.url("ledger").replace(right, wrong))
    assert (answer.status, "refuses this program" in answer.err) == (MISCONFIGURED, True)


def test_a_file_that_is_no_database(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("This is not a database. " * 100)
    for command in COMMANDS.values():
        assert run(*command, DATABASE_URL=f"sqlite:///{tmp_path}/text").status == MISCONFIGURED


@pytest.mark.parametrize("command", DOES_NOT_MIGRATE)
def test_tables_that_are_not_there(run: Run, tmp_path: Path, command: str) -> None:
    answer = run(*COMMANDS[command], DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert (answer.status, "brushwork migrate" in answer.err) == (MISCONFIGURED, True)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in DOES_NOT_MIGRATE])
def test_tables_that_are_newer(run: Run, sqlite_url: str, command: str) -> None:
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as tables:
        tables.execute("UPDATE alembic_version SET version_num = '9999'")
    answer = run(*COMMANDS[command])
    assert (answer.status, "newer version of brushwork" in answer.err) == (MISCONFIGURED, True)


@pytest.mark.parametrize("command", ["worker", "gateway"])
@pytest.mark.parametrize("wrong", ["wrong password", "no password", "no such database"])
def test_a_redis_that_refuses(run: Run, redis_server: RedisServer, command: str, wrong: str) -> None:
    right = f":{redis_server.password}@"
    url = {
        "wrong password": redis_server.url.replace(right, ":wrong@"),
        "no password": redis_server.url.replace(right, ""),
        "no such database": redis_server.url.removesuffix("/0") + "/99",
    }[wrong]
    answer = run(*COMMANDS[command], REDIS_URL=url)
    assert (answer.status, "Redis refuses this program" in answer.err) == (MISCONFIGURED, True)


def test_settings_that_are_missing(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BRUSHWORK_WEBHOOK_SECRET")
    assert run("webhooks", "send").status == MISCONFIGURED
    assert run("gateway", "--host", "0.0.0.0", "--port", "0").status == MISCONFIGURED  # noqa: S104 - refused
    monkeypatch.delenv("BRUSHWORK_DATABASE_URL")
    assert not (tmp_path / "data" / ENV_FILE).exists()
    for command in DOES_NOT_MIGRATE:
        assert run(*COMMANDS[command]).status == MISCONFIGURED


def test_a_wrong_command_line_is_neither(run: Run) -> None:
    for command in (
        ("worker", "--kinds", "no-such-kind"),
        ("prune", "--older-than", "soon"),
        ("up", "--nonsense"),
    ):
        assert run(*command).status == ExitStatus.REQUEST_ERROR


def test_callers_commands_keep_theirs(run: Run) -> None:
    away = postgres(free_port())
    for command in (("jobs",), ("submit", "text-to-image", "a star")):
        assert run(*command, DATABASE_URL=away).status == ExitStatus.MACHINE_ERROR


def test_each_status_stands_in_the_documentation() -> None:
    page = Path("docs/operations.md").read_text()
    table = page.partition("## Exit statuses")[2].partition("\n## ")[0]
    listed = {
        int(line.split("|")[1]) for line in table.splitlines() if line.startswith("| ") and line[2].isdigit()
    }
    assert listed >= {status.value for status in MEANINGS}
