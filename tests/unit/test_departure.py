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
# A process holds jobs a, b and c, leaves by what the test says, and would say so if it went on.
LIFE = f"""
import sys
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.fleet.worker_registry import Roster, WorkerEntry
from brushwork_workers.process.emergency_exit import Departure
from brushwork_workers.execution.attempt import Hold
from brushwork_workers.supervision.heartbeat import Pulse

url, deed = sys.argv[1:]
database = Database(url)
ledger, roster = Ledger(database), Roster(database)
roster.announce(WorkerEntry("{WORKER}", (), (), "cpu"))
pulse = Pulse(ledger, "{WORKER}")
departure = Departure("{WORKER}", ledger, roster, pulse)
holds = [Hold(ledger.claim(job_id, "{WORKER}")) for job_id in "abc"]
with pulse.holding(holds[0]), pulse.holding(holds[1]), pulse.holding(holds[2]):
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
    log = leave(sqlite_url, "departure.stalled(holds[1:2])")
    assert attempts(database) == [0, 1, 0]
    error = JobIndex(database).get("b").last_error
    assert error is not None
    assert error.code == "stalled"
    assert [column(database, name, "suspicion") for name in "abc"] == [None, None, None]
    assert "Nothing moves any more in b" in log


def test_of_several_that_hang_nobody_is_charged_and_all_are_suspects(
    database: Database, sqlite_url: str
) -> None:
    leave(sqlite_url, "departure.stalled(holds[1:])")
    assert attempts(database) == [0, 0, 0]
    assert [column(database, name, "suspicion") for name in "abc"] == [None, WORKER, WORKER]


def test_when_the_device_has_failed_all_are_suspects(database: Database, sqlite_url: str) -> None:
    log = leave(sqlite_url, "departure.broken()")
    assert attempts(database) == [0, 0, 0]
    assert [column(database, name, "suspicion") for name in "abc"] == [WORKER] * 3
    assert "The device has failed" in log


def test_one_that_hears_nothing_gives_all_back_and_suspects_nobody(
    database: Database, sqlite_url: str
) -> None:
    leave(sqlite_url, "departure.deaf()")
    assert attempts(database) == [0, 0, 0]
    assert [column(database, name, "suspicion") for name in "abc"] == [None] * 3


def test_a_ledger_that_refuses_keeps_nobody(database: Database, sqlite_url: str) -> None:
    log = leave(
        sqlite_url,
        "with database.writing() as connection:\n"
        "    connection.exec_driver_sql('ALTER TABLE jobs RENAME TO away')\n"
        "departure.broken()",
    )
    assert "Its jobs wait until their leases run out" in log


def test_nor_does_one_that_does_not_answer(database: Database, sqlite_url: str) -> None:
    # Its process writes, and waits for itself.
    leave(
        sqlite_url,
        "import brushwork_workers.process.emergency_exit as module\n"
        "module.SECONDS_TO_LEAVE = 0.2\n"
        "with Database(url).writing(): departure.deaf()",
    )
    with database.reading() as connection:
        held = connection.exec_driver_sql("SELECT count(*) FROM jobs WHERE worker IS NOT NULL")
        assert held.scalar_one() == 3
