"""`brushwork doctor`: each thing broken by itself is found, and what to do is said."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from brushwork.doctor import database_check, torch_check
from brushwork.doctor.checkup import findings
from brushwork.doctor.database_check import check_database
from brushwork.doctor.finding import Finding, Level
from brushwork.doctor.gateway_check import check_gateway
from brushwork.doctor.model_check import check_models
from brushwork.doctor.redis_check import check_redis
from brushwork.doctor.space_check import FULL_BYTES, SCARCE_BYTES, space
from brushwork.doctor.store_check import check_store
from brushwork.doctor.torch_check import check_torch, judged
from brushwork.doctor.webhook_check import check_webhooks
from brushwork.doctor.worker_check import check_workers
from brushwork.embedded.redis_program import choose, installed
from brushwork_core.access.api_keys import ApiKeys, id_of
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.settings.settings import Settings
from brushwork_schemas.worker import WorkerEntry

from tests.commands import Answer, run_command
from tests.jobs import new_job
from tests.live_gateways import Listening
from tests.servers import RedisServer, free_port

Set = Callable[..., Settings]
GPU = {
    "torch": "2",
    "torchvision": "0",
    "built_for": "13",
    "gpus": ["H100"],
    "memory": [[1, 2]],
    "type": "cuda",
}
NO_GPU = {**GPU, "type": "cpu", "gpus": [], "memory": []}
CATALOGUE = """
[models.own]
family = "torchvision-classifier"
source = {{ folder = "{folder}" }}
"""


elsewhere = pytest.mark.one_database("what it looks at is in no database")


@pytest.fixture
def well(redis_url: str, tmp_path: Path) -> Set:
    """Of a service where all is well but for its database, with some changed."""
    well = {
        "redis_url": redis_url,
        "artifacts_url": str(tmp_path / "artifacts"),
        "webhook_secret": "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    }
    return lambda **changes: Settings.load(**{**well, **changes})


@pytest.fixture
def settings(well: Set, database_url: str) -> Set:
    return lambda **changes: well(**{"database_url": database_url, **changes})


@pytest.fixture
def sqlite_settings(well: Set, sqlite_url: str) -> Set:
    return partial(well, database_url=sqlite_url)


@pytest.fixture
def quick_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at torch takes seconds; here a process that has none says what one without a GPU says."""
    monkeypatch.setattr(torch_check, "_LOOK", f"print({json.dumps(json.dumps(NO_GPU))})")


def levels(found: Iterator[object]) -> set[str]:
    return {str(finding.level) for finding in found}  # type: ignore[attr-defined]


def the_fail(found: Iterator[object], level: Level = Level.FAIL) -> str:
    """The words and the hint of the one finding of that level."""
    [bad] = [finding for finding in found if finding.level is level]  # type: ignore[attr-defined]
    assert bad.hint  # type: ignore[attr-defined]
    return f"{bad.message} {bad.hint}"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("quick_torch")
def test_where_all_is_well_nothing_fails(settings: Set) -> None:
    found = list(findings(settings()))
    assert [finding for finding in found if finding.level is Level.FAIL] == []
    assert {finding.about for finding in found} == {
        "packages", "plug-ins", "redis", "database", "store", "credentials", "space", "models", "torch",
        "workers", "gateway", "webhooks",
    }  # fmt: skip


@elsewhere
def test_a_redis_that_is_away(settings: Set) -> None:
    words = the_fail(check_redis(settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")))
    assert "BRUSHWORK_REDIS_URL" in words


@elsewhere
def test_a_wrong_password_of_redis_is_found_and_not_shown(settings: Set, redis_server: RedisServer) -> None:
    words = the_fail(check_redis(settings(redis_url=f"redis://:wrongsecret@127.0.0.1:{redis_server.port}/0")))
    assert "does not answer" in words
    assert "wrongsecret" not in words


def misuses(found: Iterator[Finding]) -> list[Finding]:
    """The warnings, without the one about the version of the server that runs these tests."""
    return [each for each in found if each.level is Level.WARN and "It runs /" not in each.message]


@elsewhere
def test_the_program_of_redis_is_named_with_the_reason(settings: Set) -> None:
    [program] = [each for each in check_redis(settings()) if "It runs /" in each.message]
    chosen = choose(installed())
    assert str(chosen.program.path) in program.message
    assert chosen.reason in program.message
    assert (program.level is Level.WARN) is (chosen.program.warning() is not None)


@elsewhere
def test_a_redis_that_drops_messages_and_forgets_them(settings: Set, redis_server: RedisServer) -> None:
    with redis_server.connect() as connection:
        connection.config_set("maxmemory-policy", "allkeys-lru")
        found = misuses(check_redis(settings()))
        connection.config_set("maxmemory-policy", "noeviction")
        connection.config_set("appendonly", "yes")
        assert misuses(check_redis(settings())) == []
        connection.config_set("appendonly", "no")
    assert ["allkeys-lru" in finding.message for finding in found] == [True, False]
    assert "appendonly yes" in str(found[1].hint)


@elsewhere
def test_a_database_that_is_not_there_is_not_made(settings: Set, tmp_path: Path) -> None:
    nowhere = settings(database_url=f"sqlite:///{tmp_path / 'none' / 'ledger.sqlite3'}")
    assert "brushwork migrate" in the_fail(check_database(nowhere))
    assert list(check_workers(nowhere))
    assert not (tmp_path / "none").exists()


@elsewhere
def test_a_database_without_tables(settings: Set, tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite3").touch()
    words = the_fail(check_database(settings(database_url=f"sqlite:///{tmp_path / 'empty.sqlite3'}")))
    assert "brushwork migrate" in words


@pytest.mark.parametrize(("revision", "words"), [("0001", "brushwork migrate"), ("9999", "newer")])
def test_tables_of_another_version(settings: Set, database: Database, revision: str, words: str) -> None:
    with database.writing() as connection:
        before = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608
    try:
        assert words in the_fail(check_database(settings()))
    finally:
        with database.writing() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{before}'")  # noqa: S608


@elsewhere
def test_a_database_server_that_is_away(settings: Set) -> None:
    url = f"postgresql+psycopg://nobody:secretword@127.0.0.1:{free_port()}/none?connect_timeout=2"
    words = the_fail(check_database(settings(database_url=url)))
    assert "BRUSHWORK_DATABASE_URL" in words
    assert "secretword" not in words


def test_sqlite_on_a_network_file_system(sqlite_settings: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(check_database(sqlite_settings())) == {"ok"}
    here = next(iter(database_check.psutil.disk_partitions(all=True)))._replace(mountpoint="/", fstype="nfs4")
    monkeypatch.setattr(database_check.psutil, "disk_partitions", lambda all: [here])  # noqa: A006
    assert "PostgreSQL" in the_fail(check_database(sqlite_settings()))


@elsewhere
def test_a_store_that_takes_nothing(settings: Set, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "BRUSHWORK_ARTIFACTS_URL" in the_fail(check_store(settings(artifacts_url=str(tmp_path / "file"))))


@elsewhere
def test_a_store_is_left_as_it_was(settings: Set, tmp_path: Path) -> None:
    assert levels(check_store(settings())) == {"ok"}
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("free", "level"),
    [(FULL_BYTES - 1, Level.FAIL), (SCARCE_BYTES - 1, Level.WARN), (SCARCE_BYTES, Level.OK)],
)
def test_room_on_the_disk(free: int, level: Level) -> None:
    assert space(Path("/"), free).level is level


@elsewhere
@pytest.mark.usefixtures("quick_torch")
def test_a_catalogue_that_can_not_be_read(settings: Set, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[models.own]\nkind = 7\n")
    found = [each for each in findings(settings(catalogue=tmp_path / "own.toml")) if each.about == "models"]
    assert "own.toml" in the_fail(iter(found))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.safetensors", b"", "truncated"),
        ("model.safetensors", (64).to_bytes(8, "little") + b"{}", "truncated"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "truncated"),
        ("model.bin", b"pickled", "no .safetensors file"),
        ("config.json", b"{", "config.json"),
        (None, b"", "Correct the catalogue entry"),
    ],
)
def test_damaged_files_of_a_model(
    sqlite_settings: Set, tmp_path: Path, name: str | None, content: bytes, words: str
) -> None:
    folder = tmp_path / "own"
    (tmp_path / "own.toml").write_text(CATALOGUE.format(folder=folder))
    if name:
        folder.mkdir()
        (folder / name).write_bytes(content)
    assert words in the_fail(check_models(sqlite_settings(catalogue=tmp_path / "own.toml")))


def test_only_models_that_a_worker_here_loads_are_looked_at(sqlite_settings: Set, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(CATALOGUE.format(folder=tmp_path / "none"))
    chosen = sqlite_settings(catalogue=tmp_path / "own.toml", models="pocket-classifier")
    assert levels(check_models(chosen)) == {"ok"}


def test_a_model_that_nobody_has_pulled_is_missed_where_it_is_asked_for(sqlite_settings: Set) -> None:
    assert "brushwork models pull sdxl" in the_fail(check_models(sqlite_settings(models="sdxl")))
    found = list(check_models(sqlite_settings()))
    assert {finding.level for finding in found} == {Level.OK}
    assert not any("sdxl" in finding.message for finding in found)


def test_what_torch_sees() -> None:
    assert levels(judged(GPU, "cuda", ["NVIDIA"])) == {"ok"}
    assert levels(judged(NO_GPU, "auto")) == {"ok"}
    assert "pytorch.org" in the_fail(judged(NO_GPU, "auto", ["NVIDIA"]), Level.WARN)
    assert "torch_npu" in the_fail(judged(NO_GPU, "auto", ["Ascend"]), Level.WARN)
    for device in ("cuda:1", "mps", "npu", "xpu:0"):
        assert "BRUSHWORK_DEVICE" in the_fail(judged(NO_GPU, device))


@pytest.mark.parametrize(("kind", "name"), [("npu", "Ascend910B3"), ("xpu", "Intel Max 1550")])
def test_accelerators_of_other_makers_are_told_with_their_memory(kind: str, name: str) -> None:
    seen = {**GPU, "type": kind, "gpus": [name, name], "memory": [[50 * 2**30, 64 * 2**30], None]}
    for device in ("auto", kind, f"{kind}:1"):
        told = [finding.message for finding in judged(seen, device)]
        assert told[1] == f"{name} ({kind}): 50.0 of 64.0 GiB of memory are free."
        assert "does not tell" in told[2]
        assert levels(judged(seen, device)) == {"ok"}
    assert "no such device" in the_fail(judged(seen, "cuda"))


def test_torch_is_loaded_in_a_process_of_its_own(sqlite_settings: Set) -> None:
    first = next(check_torch(sqlite_settings()))
    assert (first.level, "torchvision" in first.message) == (Level.OK, True)


def test_workers_that_are_ready_starting_silent_and_missing(settings: Set, database: Database) -> None:
    for name, ready in (("ready", True), ("starting", False)):
        WorkerRegistry(database).announce(
            WorkerEntry(
                name=name, kinds=("text-to-image",), models=("pocket-diffusion",), device="cpu", ready=ready
            )
        )
    by_message = {finding.message: finding.level for finding in check_workers(settings())}
    [ready] = [message for message in by_message if message.startswith("text-to-image: 1 ready.")]
    assert by_message[ready] is Level.OK
    assert "Models on no worker: pocket-turbo," in ready
    assert by_message["starting is not ready."] is Level.WARN
    assert by_message["image-to-text: no worker is ready."] is Level.WARN
    silent = [finding.message for finding in check_workers(settings(lease_s=1e-6))]
    assert any("ready has sent no heartbeat" in message for message in silent)
    assert "text-to-image: no worker is ready." in silent


def test_keys_that_are_revoked_or_expire_soon(settings: Set, database: Database) -> None:
    keys = ApiKeys(database)
    assert levels(check_gateway(settings())) == {"ok"}
    first = keys.create("first")
    keys.revoke(id_of(first))
    assert "brushwork keys create" in the_fail(check_gateway(settings()))
    keys.create("second", expires_in_s=3600)
    assert "(second) expires" in the_fail(check_gateway(settings()), Level.WARN)


@elsewhere
def test_a_gateway_that_is_away(settings: Set) -> None:
    away = settings(url=f"http://127.0.0.1:{free_port()}")
    assert "brushwork gateway" in the_fail(check_gateway(away))
    # Who goes by HTTP has no servers of its own to look at.
    assert {finding.about for finding in findings(away)} == {"packages", "plug-ins", "gateway"}


@elsewhere
def test_a_gateway_that_wants_a_key(settings: Set, database: Database) -> None:
    ApiKeys(database).create("first")
    with Listening(settings()) as gateway:
        for key, words in ((None, "requires an API key"), ("bw_none", "refuses this API key")):
            assert words in the_fail(check_gateway(settings(url=gateway.address, api_key=key)))


@elsewhere
def test_webhook_secrets(settings: Set) -> None:
    assert levels(check_webhooks(settings())) == {"ok"}
    wrong = the_fail(check_webhooks(settings(webhook_secret="whsec_dG9vIHNob3J0")))
    assert "BRUSHWORK_WEBHOOK_SECRET" in wrong
    assert "dG9vIHNob3J0" not in wrong


def test_events_that_are_given_up(settings: Set, database: Database, ledger: Ledger) -> None:
    outbox = Outbox(database)
    ledger.submit([new_job("a", webhook_url="https://receiver.example/hook")])
    ledger.cancel("a")
    outbox.mark_dead(outbox.take(1)[0], error="gone")
    assert "receiver.example" in the_fail(check_webhooks(settings()), Level.WARN)


@pytest.fixture
def doctor(
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quick_torch: None,
) -> Callable[..., Answer]:
    """The command, on a service whose Redis is away."""
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    return partial(run_command, capsys, "doctor")


def test_what_fails_ends_with_status_3(doctor: Callable[..., Answer]) -> None:
    answer = doctor()
    assert answer.status == 3
    assert "fail redis" in answer.out
    assert "ok   database" in answer.out
    listed = json.loads(doctor("--json").out)
    assert {"about", "level", "message", "hint"} == set(listed[0])
    assert [each["about"] for each in listed if each["level"] == "fail"] == ["redis"]


def test_only_who_is_strict_ends_so_for_a_warning(
    doctor: Callable[..., Answer], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", redis_url)
    assert [doctor().status, doctor("--strict").status] == [0, 3]


def test_without_a_service_there_is_nothing_to_look_at(
    doctor: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BRUSHWORK_DATABASE_URL")
    answer = doctor()
    assert (answer.status, "brushwork up" in answer.err) == (78, True)
