"""The data folder: one owner at a time, secrets kept secret, addresses that shells and clients agree on."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from brushwork.embedded import data_folder
from brushwork.embedded.data_folder import DataFolder, DataFolderInUse
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "my data")
    folder.create()
    return folder


def test_a_second_owner_is_refused(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "LOCK_WAIT_S", 0.1)
    with folder.locked(), pytest.raises(DataFolderInUse, match="Another"), folder.locked():
        pass
    with folder.locked():
        pass


def test_a_child_that_lives_on_holds_the_folder(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "LOCK_WAIT_S", 0.1)
    with folder.locked() as lock:
        child = subprocess.Popen(["/bin/sleep", "600"], pass_fds=[lock])
    with pytest.raises(DataFolderInUse), folder.locked():
        pass
    child.kill()
    child.wait()
    with folder.locked():
        pass


def test_a_secret_is_kept_and_private(folder: DataFolder) -> None:
    secret = folder.secret("redis")
    assert len(secret) >= 40
    assert DataFolder(folder.path).secret("redis") == secret
    assert (folder.path / "redis.secret").stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700


def modes(folder: Path) -> dict[str, int]:
    """Permissions of the group and of others, where there are any."""
    found = {str(place.relative_to(folder)): place.stat().st_mode & 0o077 for place in folder.rglob("*")}
    return {name: mode for name, mode in {**found, ".": folder.stat().st_mode & 0o077}.items() if mode}


def test_a_folder_that_others_can_read_is_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, outside = tmp_path / "data", tmp_path / "outside"
    for name in ("redis", "logs", "artifacts"):
        (path / name).mkdir(parents=True)
    outside.write_text("of others")
    for name in ("ledger.sqlite3", "ledger.sqlite3-wal", "ports.json", "redis/dump.rdb", "logs/worker.log"):
        (path / name).write_text("")
        (path / name).chmod(0o644)
    (path / "link").symlink_to(outside)
    for place in (path, path / "redis", path / "artifacts", path / "logs", outside):
        place.chmod(0o755)
    DataFolder(path).create()
    assert modes(path).keys() == {"link"}
    assert (path / "ledger.sqlite3").stat().st_mode & 0o777 == 0o600
    assert (path / "artifacts").stat().st_mode & 0o777 == 0o700
    assert outside.stat().st_mode & 0o777 == 0o755
    assert "Other users could read the data folder" in caplog.text
    caplog.clear()
    DataFolder(path).create()
    assert caplog.text == ""


def test_a_ledger_is_created_for_its_owner_alone(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        database = Database(f"sqlite:///{tmp_path}/new/ledger.sqlite3")
        database.migrate()
        assert modes(tmp_path / "new") == {}
        assert (tmp_path / "new" / "ledger.sqlite3-wal").exists()
        database.close()
    finally:
        os.umask(mask)


def test_a_port_stays_until_another_program_has_it(folder: DataFolder) -> None:
    port = folder.port("redis")
    assert folder.port("redis") == port
    assert folder.port("flower") != port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert folder.port("redis") != port


def test_a_shell_and_a_client_read_the_same_addresses(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.announce(
        {
            "BRUSHWORK_REDIS_URL": "redis://:a-b_c@127.0.0.1:1234/0",
            "BRUSHWORK_ARTIFACTS_URL": str(folder.artifacts),
        }
    )
    assert folder.env_file.stat().st_mode & 0o777 == 0o600
    script = f'. "{folder.env_file}"; env | grep ^BRUSHWORK_A'
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    monkeypatch.setenv("BRUSHWORK_DATA", str(folder.path))
    settings = Settings.load()
    assert settings.redis_url.get_secret_value() == "redis://:a-b_c@127.0.0.1:1234/0"
    assert shell.stdout.strip() == f"BRUSHWORK_ARTIFACTS_URL={settings.artifacts_url}"
    folder.retract()
    assert not folder.env_file.exists()


@pytest.mark.parametrize("name", ["it's", 'a"b', "a$b", "a?b", "50%", "a#b"])
def test_a_path_that_no_address_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="path"):
        DataFolder(tmp_path / name)


def test_the_folder_is_made_for_its_owner_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        DataFolder(tmp_path / "open").create()
    finally:
        os.umask(old)
    assert (tmp_path / "open").stat().st_mode & 0o077 == 0


def test_a_folder_that_can_not_be_made_is_the_callers_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="cannot be created"):
        DataFolder(tmp_path / "file").create()


def test_damaged_ports_are_chosen_anew(folder: DataFolder) -> None:
    (folder.path / "ports.json").write_text("{")
    assert folder.port("redis") > 0
