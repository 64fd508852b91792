"""How a worker leaves before its time: what becomes of its jobs; its process ends whatever happens."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.states import JobState
from brushwork_workers.process.emergency_exit import EXIT_BROKEN

from tests.jobs import column, new_job

WORKER = "leaving/1"
BOUND_S = 60.0
# A process attempts jobs a, b and c, leaves by what the test says, and would say so if it went on.
LIFE = f"""
import sys
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_schemas.worker import WorkerEntry
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.running_attempts import RunningAttempts
from brushwork_workers.process.emergency_exit import EmergencyExit
from brushwork_workers.supervision.heartbeat import Heartbeat

url, deed = sys.argv[1:]
database = Database(url)
ledger, worker_registry = Ledger(database), WorkerRegistry(database)
worker_registry.announce(WorkerEntry("{WORKER}", (), (), "cpu"))
running = RunningAttempts()
heartbeat = Heartbeat(ledger, "{WORKER}", running)
emergency_exit = EmergencyExit("{WORKER}", ledger, worker_registry, heartbeat)
attempts = [Attempt(ledger.claim(job_id, "{WORKER}")) for job_id in "abc"]
with running.tracked(attempts[0]), running.tracked(attempts[1]), running.tracked(attempts[2]):
    exec(deed)
print("it goes on")
"""


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """With three jobs, and a worker that looks on."""
    database = Database(sqlite_url)
    Ledger(database).submit([new_job(name) for name in "abc"])
    yield database
    database.close()


def leave(url: str, deed: str) -> str:
    """Have a process leave; its log."""
    ended = subprocess.run(
        [sys.executable, "-c", LIFE, url, deed], capture_output=True, text=True, timeout=BOUND_S
    )
    assert (ended.returncode, ended.stdout) == (EXIT_BROKEN, ""), ended.stderr
    return ended.stderr


def attempts(database: Database) -> list[int]:
    jobs = [JobIndex(database).get(name) for name in "abc"]
    assert {job.state for job in jobs} == {JobState.QUEUED}
    assert WorkerRegistry(database).workers() == []
    return [job.attempt for job in jobs]


def test_a_job_that_hangs_is_charged_and_the_others_are_given_back(
    database: Database, sqlite_url: str
) -> None:
    log = leave(sqlite_url, "emergency_exit.jobs_stalled(attempts[1:2])")
    assert attempts(database) == [0, 1, 0]
    error = JobIndex(database).get("b").last_error
    assert error is not None
    assert error.code == "stalled"
    assert [column(database, name, "suspicion") for name in "abc"] == [None, None, None]
    assert "Job b is hung" in log


def test_of_several_that_hang_nobody_is_charged_and_all_are_suspects(
    database: Database, sqlite_url: str
) -> None:
    leave(sqlite_url, "emergency_exit.jobs_stalled(attempts[1:])")
    assert attempts(database) == [0, 0, 0]
    assert [column(database, name, "suspicion") for name in "abc"] == [None, WORKER, WORKER]


def test_when_the_device_has_failed_all_are_suspects(database: Database, sqlite_url: str) -> None:
    log = leave(sqlite_url, "emergency_exit.device_failed(attempts)")
    assert attempts(database) == [0, 0, 0]
    assert [column(database, name, "suspicion") for name in "abc"] == [WORKER] * 3
    assert "The device has failed" in log


def test_one_that_hears_nothing_gives_all_back_and_suspects_nobody(
    database: Database, sqlite_url: str
) -> None:
    leave(sqlite_url, "emergency_exit.consumer_stuck()")
    assert attempts(database) == [0, 0, 0]
    assert [column(database, name, "suspicion") for name in "abc"] == [None] * 3


def test_a_ledger_that_refuses_keeps_nobody(database: Database, sqlite_url: str) -> None:
    log = leave(
        sqlite_url,
        "with database.writing() as connection:\n"
        "    connection.exec_driver_sql('ALTER TABLE jobs RENAME TO away')\n"
        "emergency_exit.device_failed(attempts)",
    )
    assert "stay claimed until their leases expire" in log


def test_nor_does_one_that_does_not_answer(database: Database, sqlite_url: str) -> None:
    # Its process writes, and waits for itself.
    leave(
        sqlite_url,
        "import brushwork_workers.process.emergency_exit as module\n"
        "module.EXIT_LIMIT_S = 0.2\n"
        "with Database(url).writing(): emergency_exit.consumer_stuck()",
    )
    with database.reading() as connection:
        held = connection.exec_driver_sql("SELECT count(*) FROM jobs WHERE worker IS NOT NULL")
        assert held.scalar_one() == 3
