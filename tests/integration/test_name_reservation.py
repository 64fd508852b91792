"""A worker's name: of many that start at once under one name, one lives, and the others end at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from brushwork.cli.exit_status import ExitStatus
from brushwork_core.database.database import Database
from brushwork_core.database.tables import WORKERS
from brushwork_core.fleet.name_reservation import NameReservation, still_has_name
from brushwork_core.fleet.process_liveness import here, started_at
from brushwork_core.fleet.worker_registry import WorkerNameInUse, WorkerRegistry
from brushwork_core.settings.settings import Settings
from brushwork_schemas.worker import WorkerEntry
from sqlalchemy import update

from tests.servers import free_port, wait_until

STUB = Path(__file__).parents[1] / "stub_service"
# As the command does, and at the end whether torch was loaded.
START = """
import atexit, sys
atexit.register(lambda: print("torch", "torch" in sys.modules, flush=True))
from brushwork.cli import main
main(["worker", "--kinds", "image-to-text", "--name", "one"])
"""
CPU_S = 2.0


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings.load(
        database_url=database_url, artifacts_url=str(tmp_path / "artifacts"), lease_s=3, heartbeat_s=0.5,
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
    )  # fmt: skip


@pytest.fixture
def registry(settings: Settings) -> Iterator[WorkerRegistry]:
    database = Database(settings.database_url.get_secret_value())
    yield WorkerRegistry(database)
    database.close()


@contextmanager
def started(settings: Settings, number: int) -> Iterator[Sequence["subprocess.Popen[str]"]]:
    """So many workers of one name that need no torch, started together."""
    secrets = ("redis_url", "database_url")
    chosen = {name: getattr(settings, name).get_secret_value() for name in secrets}
    chosen |= {name: str(getattr(settings, name)) for name in ("artifacts_url", "lease_s", "heartbeat_s")}
    variables = {f"BRUSHWORK_{name.upper()}": value for name, value in chosen.items()}
    environment = {**os.environ, **variables, "PYTHONPATH": str(STUB)}
    processes = [
        subprocess.Popen([sys.executable, "-c", START], env=environment, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
        for _ in range(number)
    ]  # fmt: skip
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def names(registry: WorkerRegistry) -> list[int]:
    return [seen.pid for seen in registry.named(full_name())]


def full_name() -> str:
    return f"one@{os.uname().nodename}"


@pytest.mark.one_database("the next test reserves the name on both")
def test_of_many_processes_one_lives(settings: Settings, registry: WorkerRegistry, thorough: bool) -> None:
    number = 20 if thorough else 3
    with started(settings, number) as processes:
        running = list(processes)
        while len(running) > 1:
            pid, status, usage = os.wait4(-1, 0)
            [ended] = [each for each in running if each.pid == pid]
            running.remove(ended)
            ended.returncode = os.waitstatus_to_exitcode(status)
            assert ended.returncode == ExitStatus.MISCONFIGURED
            assert usage.ru_utime + usage.ru_stime < CPU_S
        [living] = running
        for each in processes:
            said = each.stdout.read() if each.stdout and each is not living else ""
            assert each is living or f"named {full_name()} is running: process {living.pid}" in said
            assert each is living or "torch False" in said
        wait_until(lambda: names(registry) == [living.pid])
        # After a kill, the next one has the name at once.
        living.kill()
        living.wait()
        with started(settings, 1) as [successor]:
            wait_until(lambda: names(registry) == [successor.pid], bound_s=60)


def test_of_many_threads_one_has_the_name(settings: Settings, registry: WorkerRegistry) -> None:
    together = threading.Barrier(20)

    def reserve(_: int) -> NameReservation | None:
        together.wait()
        try:
            return NameReservation.made(settings, full_name())
        except WorkerNameInUse:
            return None

    with ThreadPoolExecutor(20) as threads:
        made = [each for each in threads.map(reserve, range(20)) if each is not None]
    assert len(made) == 1
    assert [seen.name for seen in registry.workers()] == [made[0].entry.name]
    # It is kept while models are loaded, however long that takes.
    wait_until(lambda: registry.workers()[0].silent_s < 0.2, bound_s=10)
    with pytest.raises(WorkerNameInUse):
        NameReservation.made(settings, full_name())
    made[0].end(leave=True)
    assert registry.workers() == []


def test_another_name_is_free(settings: Settings) -> None:
    reservations = [
        NameReservation.made(settings, name) for name in ("one@here", "one@there", "on@e/here", "e@here")
    ]
    for reservation in reservations:
        reservation.end(leave=True)


def test_a_frozen_worker_loses_its_name_and_does_not_get_it_back(
    settings: Settings, registry: WorkerRegistry, database_url: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as frozen:
        began = started_at(frozen.pid)
        assert began is not None
        entry = WorkerEntry(f"{full_name()}/x", (), (), "", host=here(), pid=frozen.pid, pid_started_at=began)
        registry.announce(entry)
        frozen.send_signal(signal.SIGSTOP)
        with pytest.raises(WorkerNameInUse):
            NameReservation.made(settings, full_name())
        advance(database_url, -1000 * (settings.lease_s + 1))
        successor = NameReservation.made(settings, full_name())
        assert [seen.name for seen in registry.workers()] == [successor.entry.name]
        # What it does when it goes on.
        assert not registry.renew(entry)
        with pytest.raises(WorkerNameInUse, match=f"process {os.getpid()}"):
            registry.reserve(entry, may_live=still_has_name(settings.lease))
        successor.end(leave=True)
        registry.reserve(entry, may_live=still_has_name(settings.lease))
        frozen.kill()


def advance(database_url: str, number_ms: float) -> None:
    """Move the time of all last heartbeats."""
    database = Database(database_url)
    with database.writing() as connection:
        connection.execute(update(WORKERS).values(seen_at=WORKERS.c.seen_at + int(number_ms)))
    database.close()


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
def test_the_clock_of_the_machine_does_not_matter(
    settings: Settings,
    registry: WorkerRegistry,
    database_url: str,
    ahead_s: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the database's clock is read. If that one jumps, a worker of this machine is looked at itself."""
    reservation = NameReservation.made(settings, full_name())
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead_s)
    with pytest.raises(WorkerNameInUse):
        NameReservation.made(settings, full_name())
    advance(database_url, 3_600_000)
    with pytest.raises(WorkerNameInUse):
        NameReservation.made(settings, full_name())
    reservation.end(leave=True)
