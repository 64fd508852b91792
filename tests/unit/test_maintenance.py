"""Who maintains the ledger, and that nobody asks the database without a reason."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import MAINTENANCE_LEASES
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.fleet.maintenance_lease import MaintenanceLease, lease_name
from brushwork_core.fleet.process_liveness import here, started_at
from brushwork_core.fleet.worker_registry import BeatReply, WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queries.due_maintenance import DueMaintenance, MaintenanceQuery
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from brushwork_workers.execution.running_attempts import RunningAttempts
from brushwork_workers.execution.service_health import Service, WatchedService
from brushwork_workers.supervision.heartbeat import Heartbeat
from brushwork_workers.supervision.maintenance import Maintenance
from brushwork_workers.supervision.neighbours import Neighbours
from brushwork_workers.supervision.reconciler import Reconciler
from brushwork_workers.supervision.worker_beat import WorkerBeat, idle_interval_s
from sqlalchemy import event, select, text, update

from tests.jobs import KIND, claimed, lose, new_job, overdue

NAME = lease_name(["a kind"])


class Worker:
    """What a worker process does for all, called by hand.

    Args:
        database: Database of the ledger.
        name: Its name.
        pid: Its process; by default this one.
    """

    def __init__(
        self, database: Database, name: str, *, lease_s: float = 600, pid: int | None = None
    ) -> None:
        self.ledger, registry = Ledger(database, lease_s=600), WorkerRegistry(database)
        pid = pid or os.getpid()
        self.entry = WorkerEntry(
            name, (KIND,), (), "cpu", host=here(), pid=pid, pid_started_at=started_at(pid) or 0.0
        )
        registry.announce(self.entry)
        self.lease = MaintenanceLease(database, NAME, name, lease_s=lease_s)
        self.reconciler = Reconciler(self.ledger, registry, redispatch_after_s=600, lease_s=600)
        self.maintenance = Maintenance(
            self.lease, MaintenanceQuery(database, forget_after_s=600), self.reconciler,
            Neighbours(registry), JobSignals(database), registry, lambda: None,
            lease_s=600, forget_after_s=600,
        )  # fmt: skip
        self.running = RunningAttempts()
        self.removed: list[WorkerEntry] = []
        settings = Settings.load(lease_s=600, heartbeat_s=100)
        self.beat = WorkerBeat(
            Heartbeat(self.ledger, name, self.running), registry, lambda: self.entry, settings,
            lease=NAME, is_running=lambda: bool(self.running.attempts()), stalled=lambda: (),
            database=WatchedService(Service.DATABASE), on_reply=self.maintenance.learn,
            on_answer=self.maintenance.answered_after, on_removed=self.removed.append,
        )  # fmt: skip

    def turn(self) -> None:
        """Beat and sweep once."""
        self.beat.beat()
        self.maintenance.sweep()


def statements(database: Database, act: Callable[[], object]) -> list[str]:
    """The first words of the statements that `act` sends."""
    found: list[str] = []

    def note(connection: Any, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            found.append(" ".join(statement.split()[:3]))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return found


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that lives until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as living:
        yield living
        living.kill()


def kill(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


class TestLease:
    def test_one_of_several_has_it(self, database: Database) -> None:
        leases = [MaintenanceLease(database, NAME, name, lease_s=600) for name in "abc"]
        assert [lease.take() for lease in leases] == [True, False, False]
        assert [lease.take() for lease in leases] == [True, False, False]
        assert [lease.is_held for lease in leases] == [True, False, False]

    def test_it_is_free_once_it_has_expired(self, database: Database) -> None:
        first, second = (MaintenanceLease(database, NAME, name, lease_s=600) for name in "ab")
        assert first.take()
        with database.writing() as connection:
            connection.execute(update(MAINTENANCE_LEASES).values(expires_at=0))
        assert second.take()
        assert not first.take()
        assert (first.is_held, second.is_held) == (False, True)

    def test_a_holder_that_cannot_renew_it_stops_to_lead(self, database: Database) -> None:
        lease = MaintenanceLease(database, NAME, "a", lease_s=-1.0)
        assert lease.take()
        assert not lease.is_held

    def test_who_gives_it_up_never_takes_it_again(self, database: Database) -> None:
        first, second = (MaintenanceLease(database, NAME, name, lease_s=600) for name in "ab")
        first.take()
        first.give_up()
        assert not first.take()
        assert second.take()
        first.give_up()
        assert second.take(), "only its own is given up"

    def test_the_dead_lose_it_at_once(self, database: Database) -> None:
        dead, other, living = (MaintenanceLease(database, NAME, name, lease_s=600) for name in "abc")
        dead.take()
        assert not other.take(dead=["somebody"])
        assert other.take(dead=["somebody", "a"])
        assert not living.take(dead=["a"])

    def test_workers_that_know_other_kinds_have_a_leader_of_their_own(self, database: Database) -> None:
        assert lease_name(["a", "b"]) == lease_name(["b", "a"]) != lease_name(["a"])
        assert MaintenanceLease(database, lease_name(["a"]), "x", lease_s=600).take()
        assert MaintenanceLease(database, lease_name(["b"]), "y", lease_s=600).take()

    def test_several_threads_of_one_database_find_one_leader(self, database: Database) -> None:
        leases = [MaintenanceLease(database, NAME, str(number), lease_s=600) for number in range(8)]
        threads = [threading.Thread(target=lease.take) for lease in leases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(lease.is_held for lease in leases) == 1


class TestSweep:
    def test_the_first_worker_leads_and_the_others_ask_nothing(self, database: Database) -> None:
        leader, other = Worker(database, "a/1"), Worker(database, "b/2")
        leader.turn()
        other.turn()
        assert (leader.lease.is_held, other.lease.is_held) == (True, False)
        assert statements(database, other.maintenance.sweep) == []

    def test_while_nothing_is_due_the_leader_writes_its_lease_only(self, database: Database) -> None:
        leader = Worker(database, "a/1")
        leader.turn()
        found = statements(database, leader.maintenance.sweep)
        assert [words for words in found if not words.startswith("SELECT")] == [
            "UPDATE maintenance_leases SET"
        ]
        assert len(found) == 3

    def test_the_leader_recovers_what_is_due(self, database: Database, index: JobIndex) -> None:
        leader = Worker(database, "a/1")
        ledger = leader.ledger
        ledger.submit([new_job("late"), new_job("lost"), new_job("well")])
        ledger.submit([new_job("overdue", deadline_s=3600)])
        claimed(ledger, "lost", "elsewhere/3")
        claimed(ledger, "well", "elsewhere/4")
        lose(database, "lost")
        overdue(database, "overdue")
        leader.turn()
        assert {job_id: index.get(job_id).state for job_id in ("late", "lost", "well", "overdue")} == {
            "late": JobState.QUEUED, "lost": JobState.QUEUED, "well": JobState.RUNNING,
            "overdue": JobState.EXPIRED,
        }  # fmt: skip

    def test_after_the_database_was_away_workers_may_renew_first(
        self, database: Database, index: JobIndex
    ) -> None:
        leader = Worker(database, "a/1")
        leader.turn()
        leader.ledger.submit([new_job("a")])
        claimed(leader.ledger, "a", "elsewhere/3")
        _rename(database, "jobs", "away")
        with pytest.raises(ServiceUnreachable):
            leader.maintenance.sweep()
        _rename(database, "away", "jobs")
        lose(database, "a")
        leader.maintenance.sweep()
        assert index.get("a").state is JobState.RUNNING
        leader.reconciler._reap_not_before = 0.0
        leader.maintenance.sweep()
        assert index.get("a").state is JobState.QUEUED

    def test_a_follower_whose_heartbeat_failed_knows_of_the_outage_when_it_leads(
        self, database: Database, index: JobIndex
    ) -> None:
        follower = Worker(database, "b/2")
        follower.ledger.submit([new_job("a")])
        claimed(follower.ledger, "a", "elsewhere/3")
        _rename(database, "jobs", "away")
        with pytest.raises(ServiceUnreachable):
            follower.beat.beat()
        _rename(database, "away", "jobs")
        lose(database, "a")
        follower.turn()
        assert follower.lease.is_held
        assert index.get("a").state is JobState.RUNNING

    def test_a_slow_answer_is_an_outage_too(self, database: Database, index: JobIndex) -> None:
        leader = Worker(database, "a/1")
        leader.ledger.submit([new_job("a")])
        claimed(leader.ledger, "a", "elsewhere/3")
        lose(database, "a")
        leader.maintenance.answered_after(151)
        leader.turn()
        assert index.get("a").state is JobState.RUNNING

    def test_a_follower_takes_the_jobs_of_a_dead_neighbour(
        self, database: Database, index: JobIndex, process: "subprocess.Popen[bytes]"
    ) -> None:
        leader, dead = Worker(database, "a/1"), Worker(database, "c/3", pid=process.pid)
        follower = Worker(database, "b/2")
        leader.turn()
        follower.turn()
        follower.ledger.submit([new_job("a")])
        claimed(follower.ledger, "a", dead.entry.name)
        kill(process)
        follower.maintenance.sweep()
        assert index.get("a").state is JobState.QUEUED
        assert (leader.lease.take(), follower.lease.is_held) == (True, False)
        assert statements(database, follower.maintenance.sweep) == []

    def test_a_follower_leads_at_once_if_the_leader_was_its_neighbour(
        self, database: Database, process: "subprocess.Popen[bytes]"
    ) -> None:
        leader, follower = Worker(database, "a/1", pid=process.pid), Worker(database, "b/2")
        leader.turn()
        follower.turn()
        kill(process)
        follower.maintenance.sweep()
        assert follower.lease.is_held

    def test_neighbours_are_read_again_only_if_one_has_come_or_gone(self, database: Database) -> None:
        registry = WorkerRegistry(database)
        neighbours, worker = Neighbours(registry), Worker(database, "a/1")
        reply = registry.beat(worker.entry, next_s=1, lease=NAME)
        assert reply is not None
        assert len(statements(database, lambda: neighbours.learn(reply))) == 1
        assert statements(database, lambda: neighbours.learn(reply)) == []
        Worker(database, "b/2")
        again = registry.beat(worker.entry, next_s=1, lease=NAME)
        assert again is not None
        assert again.num_here == reply.num_here + 1
        assert len(statements(database, lambda: neighbours.learn(again))) == 1


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_what_is_due_is_found_without_reading_all_jobs(postgres_url: str, mode: str) -> None:
    database = Database(postgres_url)
    Ledger(database).submit([new_job(f"job-{number}") for number in range(2000)])
    found: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        found.append((statement, parameters))

    with database.writing() as connection:
        connection.execute(text("UPDATE jobs SET state = 'succeeded' WHERE id LIKE '%5'"))
        connection.execute(text("ANALYZE jobs"))
    event.listen(database.engine, "before_cursor_execute", note)
    due = MaintenanceQuery(database, forget_after_s=60).due()
    event.remove(database.engine, "before_cursor_execute", note)
    assert due == DueMaintenance(*[False] * 6)
    [(statement, parameters)] = found
    with database.writing() as connection:
        connection.exec_driver_sql(f"SET LOCAL plan_cache_mode = {mode}")
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
    database.close()
    assert "Seq Scan on jobs" not in plan
    assert {"ix_jobs_deadline", "ix_jobs_leased", "ix_jobs_dispatched"} <= set(plan.split())


class TestBeat:
    def test_the_reply_tells_of_leases_neighbours_and_the_leader(self, database: Database) -> None:
        worker, registry = Worker(database, "a/1"), WorkerRegistry(database)
        first = registry.beat(worker.entry, next_s=5, lease=NAME)
        assert first is not None
        assert (first.num_leased, first.num_here, first.is_led) == (0, 1, False)
        worker.lease.take()
        worker.ledger.submit([new_job("a"), new_job("b")])
        claimed(worker.ledger, "a", "a/1")
        claimed(worker.ledger, "b", "b/2")
        second = registry.beat(worker.entry, next_s=5, lease=NAME)
        assert second == BeatReply(1, 1, first.newest_here_ms, is_led=True)
        other_set = registry.beat(worker.entry, next_s=5, lease=lease_name(["other"]))
        assert other_set is not None
        assert not other_set.is_led
        assert registry.workers()[0].beat_s == 5

    def test_a_worker_that_was_removed_is_told_so(self, database: Database) -> None:
        worker = Worker(database, "a/1")
        WorkerRegistry(database).leave("a/1")
        worker.beat.beat()
        assert worker.removed == [worker.entry]

    def test_an_idle_heartbeat_is_one_statement(self, database: Database) -> None:
        worker = Worker(database, "a/1")
        worker.turn()
        assert statements(database, worker.beat.beat) == ["UPDATE workers SET"]

    def test_a_lease_that_no_thread_works_on_makes_the_worker_busy(
        self, database: Database, index: JobIndex
    ) -> None:
        """The answer to its claim was lost. It goes back at the second look, and no attempt is charged."""
        worker = Worker(database, "a/1")
        worker.turn()
        worker.ledger.submit([new_job("a")])
        claimed(worker.ledger, "a", "a/1")
        for _ in range(3):
            assert index.get("a").state is JobState.RUNNING
            worker.beat.beat()
        assert (index.get("a").state, index.get("a").attempt) == (JobState.QUEUED, 0)

    @pytest.mark.parametrize(
        ("settings", "seconds"),
        [
            ({}, 5.0), ({"lease_s": 2, "heartbeat_s": 0.3}, 0.75), ({"lease_s": 6}, 2.5),
            ({"lease_s": 3}, 2.0), ({"heartbeat_s": 4}, 5.0), ({"lease_s": 60, "heartbeat_s": 10}, 25.0),
        ],
    )  # fmt: skip
    def test_idle_workers_beat_less_often_but_well_within_half_a_lease(
        self, settings: dict[str, float], seconds: float
    ) -> None:
        assert idle_interval_s(Settings.load(**settings)) == pytest.approx(seconds)


def test_the_interval_of_old_workers_is_not_known(database: Database) -> None:
    registry = WorkerRegistry(database)
    registry.announce(WorkerEntry("old/1", (), (), "cpu"))
    assert registry.workers()[0].beat_s is None


def _rename(database: Database, table: str, name: str) -> None:
    with database.writing() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def test_a_program_that_forgot_the_addition_adds_it_again(database: Database) -> None:
    """A program that knows only the first addition may have removed the record of later ones."""
    with database.writing() as connection:
        connection.execute(text("UPDATE schema_additions SET version_num = '0003'"))
    database.migrate()
    with database.reading() as connection:
        assert connection.execute(select(MAINTENANCE_LEASES)).all() == []
