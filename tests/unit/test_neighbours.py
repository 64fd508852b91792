"""Who is gone: a process that was killed is seen at once, and nobody else is taken for dead."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import WORKERS
from brushwork_core.fleet.name_reservation import NameReservation
from brushwork_core.fleet.process_liveness import here, is_gone, started_at
from brushwork_core.fleet.takeover import take_over_from_dead
from brushwork_core.fleet.worker_registry import WorkerRegistry, full_name
from brushwork_core.ledger import Ledger, Reaped
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from sqlalchemy import update

from tests.jobs import claimed, new_job
from tests.servers import wait_until

Process = subprocess.Popen[bytes]


@pytest.fixture
def process() -> Iterator[Process]:
    """A process that lives until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as living:
        yield living
        living.kill()


def began(pid: int) -> float:
    moment = started_at(pid)
    assert moment is not None
    return moment


def announce(database: Database, name: str, pid: int, *, host: str = "", since: float | None = None) -> None:
    moment = began(pid) if since is None else since
    entry = WorkerEntry(
        name, ("text-to-image",), (), "cpu", host=host or here(), pid=pid, pid_started_at=moment
    )
    WorkerRegistry(database).announce(entry)


class TestGone:
    def test_the_living_are_not(self, process: Process) -> None:
        assert not is_gone(here(), process.pid, began(process.pid))
        assert not is_gone(here(), os.getpid(), began(os.getpid()))

    def test_the_killed_are_though_their_parent_has_not_noticed(self, process: Process) -> None:
        moment = began(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: is_gone(here(), process.pid, moment))
        process.wait()
        assert is_gone(here(), process.pid, moment)

    def test_a_stopped_one_is_not(self, process: Process) -> None:
        os.kill(process.pid, signal.SIGSTOP)
        assert not is_gone(here(), process.pid, began(process.pid))

    def test_a_later_process_of_the_same_number_is_another(self, process: Process) -> None:
        assert is_gone(here(), process.pid, began(process.pid) - 1)

    def test_of_other_machines_nothing_is_known(self, process: Process) -> None:
        assert not is_gone("elsewhere", process.pid, 1.0)
        assert not is_gone("", 0, 0.0)

    def test_a_process_of_somebody_else_s_is_there(self) -> None:
        assert not is_gone(here(), 1, began(1))


class TestRoster:
    def test_it_knows_the_dead_of_this_machine(self, database: Database, process: Process) -> None:
        announce(database, "living/1", os.getpid())
        announce(database, "killed/2", process.pid)
        announce(database, "elsewhere/3", process.pid, host="elsewhere")
        assert WorkerRegistry(database).dead_here() == []
        process.kill()
        process.wait()
        assert WorkerRegistry(database).dead_here() == ["killed/2"]

    def test_a_worker_from_before_this_version_is_left_alone(self, database: Database) -> None:
        WorkerRegistry(database).announce(WorkerEntry("old/1", (), (), "cpu"))
        assert WorkerRegistry(database).dead_here() == []

    def test_the_lives_of_a_name(self, database: Database) -> None:
        for name in ("a@host/1-x", "a@host/2-y", "ab@host/3-z", "a/a@host/4"):
            announce(database, name, os.getpid())
        lives = {seen.name for seen in WorkerRegistry(database).named("a@host")}
        assert lives == {"a@host/1-x", "a@host/2-y"}

    def test_a_worker_s_name_has_its_host_and_if_nobody_gave_one_its_number(self) -> None:
        here_named = f"@{socket.gethostname()}"
        assert full_name("gpu") == f"gpu{here_named}"
        assert full_name("gpu@box") == "gpu@box"
        assert full_name(None) == f"brushwork-{os.getpid()}{here_named}"

    def test_others_that_serve_a_kind(self, database: Database) -> None:
        worker_registry = WorkerRegistry(database)

        def others(within_s: float = 60, model: str | None = None) -> bool:
            return worker_registry.others_serve("text-to-image", but="me", within_s=within_s, model=model)

        worker_registry.announce(WorkerEntry("me", ("text-to-image",), (), "cpu", ready=True))
        worker_registry.announce(WorkerEntry("captions", ("image-to-text",), (), "cpu", ready=True))
        worker_registry.announce(WorkerEntry("loading", ("text-to-image",), (), "cpu", ready=False))
        assert not others()
        worker_registry.announce(WorkerEntry("other", ("text-to-image",), ("m",), "cpu", ready=True))
        assert others()
        assert others(model="m")
        assert not others(model="n")
        assert not others(within_s=-1)


class TestSuccession:
    @pytest.fixture
    def take_over(self, database_url: str) -> Callable[..., Reaped]:
        def take_over(name: str | None = None, *, heartbeat_s: float = 600.0) -> Reaped:
            settings = Settings.load(database_url=database_url, lease_s=600, heartbeat_s=heartbeat_s)
            if name is None:
                return take_over_from_dead(settings)
            reservation = NameReservation.made(settings, name)
            reservation.end(leave=True)
            return reservation.reaped

        return take_over

    def test_the_jobs_of_a_killed_worker_are_free_at_once(
        self, ledger: Ledger, index: JobIndex, database: Database, process: Process,
        take_over: Callable[..., Reaped],
    ) -> None:  # fmt: skip
        ledger.submit([new_job("a"), new_job("b")])
        announce(database, "killed/1", process.pid)
        announce(database, "living/2", os.getpid())
        claimed(ledger, "a", "killed/1")
        claimed(ledger, "b", "living/2")
        assert take_over() == Reaped()
        process.kill()
        process.wait()
        assert take_over() == Reaped(queued=("a",))
        assert [worker.name for worker in WorkerRegistry(database).workers()] == ["living/2"]
        assert index.get("b").state is JobState.RUNNING

    def test_whoever_had_the_name_and_beats_no_more_is_dead_wherever_it_ran(
        self, ledger: Ledger, database: Database, take_over: Callable[..., Reaped]
    ) -> None:
        ledger.submit([new_job("a")])
        announce(database, "gpu@box/1-x", 1, host="another container", since=1.0)
        claimed(ledger, "a", "gpu@box/1-x")
        assert take_over("other@box") == Reaped()
        assert take_over("gpu@box", heartbeat_s=0.05) == Reaped(queued=("a",))
        assert WorkerRegistry(database).workers() == []

    def test_a_dead_predecessor_on_this_machine_is_not_waited_for(
        self, ledger: Ledger, database: Database, process: Process, take_over: Callable[..., Reaped]
    ) -> None:
        ledger.submit([new_job("a")])
        announce(database, "gpu@box/1-x", process.pid)
        claimed(ledger, "a", "gpu@box/1-x")
        process.kill()
        process.wait()
        # It would wait for ten minutes.
        assert take_over("gpu@box") == Reaped(queued=("a",))

    def test_the_name_of_one_that_lives_here_is_refused(
        self, ledger: Ledger, index: JobIndex, database: Database, process: Process,
        take_over: Callable[..., Reaped],
    ) -> None:  # fmt: skip
        ledger.submit([new_job("a")])
        announce(database, "gpu@box/1-x", process.pid)
        claimed(ledger, "a", "gpu@box/1-x")
        with pytest.raises(InvalidRequest, match=f"named gpu@box is running: process {process.pid}.* --name"):
            take_over("gpu@box")
        assert index.get("a").state is JobState.RUNNING

    def test_so_is_the_name_of_one_elsewhere_as_soon_as_it_beats(
        self, ledger: Ledger, index: JobIndex, database: Database, take_over: Callable[..., Reaped]
    ) -> None:
        def beat() -> None:
            while not refused.wait(0.02):
                announce(database, "gpu@box/1-x", 1, host="another container", since=1.0)

        ledger.submit([new_job("a")])
        announce(database, "gpu@box/1-x", 1, host="another container", since=1.0)
        claimed(ledger, "a", "gpu@box/1-x")
        refused = threading.Event()
        with ThreadPoolExecutor(1) as threads:
            beating = threads.submit(beat)
            try:
                with pytest.raises(InvalidRequest, match="named gpu@box is running"):
                    take_over("gpu@box")
            finally:
                refused.set()
            beating.result()
        assert index.get("a").state is JobState.RUNNING

    def test_a_process_that_is_there_and_has_lost_its_lease_has_lost_its_name(
        self, ledger: Ledger, database: Database, process: Process, database_url: str
    ) -> None:
        announce(database, "gpu@box/1-x", process.pid)
        with database.writing() as connection:
            connection.execute(update(WORKERS).values(seen_at=WORKERS.c.seen_at - 13_000))
        settings = Settings.load(database_url=database_url, lease_s=12)
        reservation = NameReservation.made(settings, "gpu@box")
        assert reservation.reaped == Reaped()
        assert [seen.name for seen in WorkerRegistry(database).workers()] == [reservation.entry.name]
        reservation.end(leave=True)
        assert WorkerRegistry(database).workers() == []

    def test_a_database_that_is_away_or_has_no_tables_is_left_to_others(self, tmp_path: object) -> None:
        empty = Settings(database_url=f"sqlite:///{tmp_path}/new.sqlite3")  # type: ignore[arg-type]
        assert take_over_from_dead(empty) == Reaped()
        away = Settings(database_url="postgresql+psycopg://nobody@/x?host=/nowhere")  # type: ignore[arg-type]
        assert take_over_from_dead(away) == Reaped()

    def test_so_is_one_whose_tables_are_older(
        self, database: Database, take_over: Callable[..., Reaped]
    ) -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE workers RENAME COLUMN host TO host_of_old")
        try:
            assert take_over() == Reaped()
        finally:
            with database.writing() as connection:
                connection.exec_driver_sql("ALTER TABLE workers RENAME COLUMN host_of_old TO host")
