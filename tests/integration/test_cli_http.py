"""The command line with nothing but a gateway's address and a key: what it prints, and how it ends."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from brushwork_core.access.api_keys import Scope
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.settings.settings import Settings

from tests.clients import png
from tests.commands import Answer, run_command
from tests.gateways import GatewayServer, key
from tests.jobs import ERROR, claimed, result_of
from tests.servers import RedisServer, free_port

Run = Callable[..., Answer]
ADDRESS, KEY = "BRUSHWORK_URL", "BRUSHWORK_API_KEY"


@pytest.fixture(scope="module")
def settings(
    redis_server: RedisServer, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Where the gateway's own servers are: no command is told of them."""
    folder = tmp_path_factory.mktemp("gateway")
    shutil.copy(migrated_file, folder / "ledger.sqlite3")
    return Settings(
        _env_file=None,
        redis_url=redis_server.url,  # type: ignore[arg-type]
        database_url=f"sqlite:///{folder / 'ledger.sqlite3'}",  # type: ignore[arg-type]
        artifacts_url=str(folder / "artifacts"),
    )


@pytest.fixture(scope="module")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    gateway = GatewayServer(settings, tmp_path_factory.mktemp("log") / "gateway.log")
    try:
        yield gateway.start()
    finally:
        gateway.stop()


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database_url.get_secret_value())
    yield opened
    opened.close()


@pytest.fixture
def run(
    server: GatewayServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    monkeypatch.setenv(ADDRESS, server.address)
    monkeypatch.setenv(KEY, key(settings, "acme"))
    return partial(run_command, capsys)


def submitted(run: Run, *words: str) -> str:
    answer = run("submit", "text-to-image", "a red circle", *words)
    assert answer.status == 0, answer.err
    return answer.out.strip()


def succeed(database: Database, settings: Settings, job_id: str) -> None:
    ledger = Ledger(database)
    artifact = ArtifactStore(settings.artifacts_url).put_picture(png("blue"))
    result = {**result_of(7), "images": [artifact.model_dump()], "seeds": [7]}
    assert ledger.complete(job_id, claimed(ledger, job_id).fence, result, [artifact]) is WriteOutcome.APPLIED


def test_a_job_is_submitted_listed_and_shown(run: Run) -> None:
    job_id = submitted(run, "seed=7", "group=g1", "deadline_s=600")
    (listed,) = json.loads(run("jobs", "--group", "g1", "--json").out)
    assert (listed["id"], listed["request"]["seed"], listed["tenant"]) == (job_id, 7, "acme")
    shown = run("show", job_id).out
    assert "a red circle" in shown
    assert "no ready worker serves" in shown
    assert job_id in run("jobs", "--model", "pocket-diffusion", "--text", "RED", "--newer-than", "1h").out
    for none in (("--older-than", "1h"), ("--model", "other"), ("--group", "g2"), ("--state", "failed")):
        assert json.loads(run("jobs", "--group", "g1", *none, "--json").out) == []


def test_a_result_is_waited_for_and_its_picture_saved(
    run: Run, database: Database, settings: Settings, tmp_path: Path
) -> None:
    job_id = submitted(run)
    succeed(database, settings, job_id)
    waited = run("wait", job_id, "--json")
    assert (waited.status, json.loads(waited.out)["state"]) == (0, "succeeded")
    assert run("show", job_id, "--save", str(tmp_path)).status == 0
    assert (tmp_path / f"{job_id}-0.png").read_bytes() == png("blue")


def test_ends_and_exit_statuses_are_those_of_the_direct_way(run: Run, database: Database) -> None:
    job_id = submitted(run)
    assert run("wait", job_id, "--timeout", "0.05").status == 4
    assert run("retry", job_id).status == 2
    ledger = Ledger(database)
    ledger.fail(job_id, claimed(ledger, job_id).fence, ERROR)
    failed = run("wait", job_id)
    assert (failed.status, ERROR.code in failed.err) == (1, True)
    assert run("cancel", job_id).out.strip() == "failed"
    assert run("show", "no-such-job").status == 2
    assert run("preview", job_id).status == 2
    assert run("submit", "text-to-image", "x", "steps=3").status == 2


def test_a_job_is_made_again_with_changes_and_canceled(run: Run) -> None:
    job_id = submitted(run, "seed=7")
    assert run("cancel", job_id).out.strip() == "canceled"
    again = json.loads(run("retry", job_id, "seed=8", "priority=high", "--json").out)
    assert (again["retry_of"], again["request"]["seed"], again["priority"]) == (job_id, 8, "high")
    assert len(run("retry", job_id).out.strip()) == 36


def test_a_picture_is_brought_once_and_used_by_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a picture.png").write_bytes(png("green"))
    name = run("upload", str(tmp_path / "a picture.png")).out.strip()
    assert json.loads(run("upload", str(tmp_path / "a picture.png"), "--json").out)["sha256"] == name
    job = json.loads(run("submit", "image-to-text", name, "--json").out)
    assert job["request"]["image"] == name
    by_path = json.loads(run("submit", "image-to-text", str(tmp_path / "a picture.png"), "--json").out)
    assert by_path["request"]["image"] == name
    assert run("upload", str(tmp_path / "none.png")).status == 2


def test_what_there_is(run: Run) -> None:
    assert "pocket-diffusion" in run("models").out
    captioner = json.loads(run("models", "--kind", "image-to-text", "--json").out)[0]
    assert captioner["name"] == "pocket-captioner"
    kinds = {kind["name"]: kind for kind in json.loads(run("kinds", "--json").out)}
    assert "prompt" in kinds["text-to-image"]["request"]["properties"]
    assert "pocket-segmenter" in run("kinds").out
    assert json.loads(run("workers", "--json").out) == []
    submitted(run)
    queues = {queue["kind"]: queue for queue in json.loads(run("queues", "--json").out)}
    assert queues["text-to-image"]["in_redis"] + queues["text-to-image"]["in_ledger"] >= 1
    assert "image-to-text" in run("queues").out


def test_doctor_asks_the_gateway(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    well = run("doctor")
    assert (well.status, "accepts jobs" in well.out) == (0, True)
    monkeypatch.setenv(KEY, "bw_" + "0" * 12 + "_" + "0" * 64)
    wrong = run("doctor")
    assert (wrong.status, "BRUSHWORK_API_KEY" in wrong.out) == (3, True)


def test_keys_that_are_wrong_missing_or_too_small(
    run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, key(settings, "acme", [Scope.READ]))
    refused = run("submit", "text-to-image", "x")
    assert (refused.status, "--scope submit" in refused.err) == (2, True)
    monkeypatch.delenv(KEY)
    assert run("jobs").status == 2


def test_a_gateway_that_is_away_ends_with_status_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, f"http://127.0.0.1:{free_port()}")
    for command in (("jobs",), ("queues",), ("models",), ("doctor",)):
        assert run(*command).status == 3


def test_what_needs_the_servers_says_so(run: Run) -> None:
    for command in (("keys", "list"), ("prune",)):
        answer = run(*command)
        assert (answer.status, "BRUSHWORK_DATABASE_URL" in answer.err) == (78, True)
