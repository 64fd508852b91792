"""What running jobs say and hear by way of the database, on SQLite and on PostgreSQL."""

import re

import pytest
from brushwork_schemas.database import Database
from brushwork_schemas.job import Progress
from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.ledger import Ledger
from brushwork_schemas.wire import Report, Wire
from sqlalchemy import event, text

from tests.jobs import ERROR, claimed, lost, new_job, result_of, said

PLAN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}


@pytest.fixture
def wire(database: Database) -> Wire:
    return Wire(database)


class TestTell:
    def test_all_jobs_in_one_transaction(
        self, wire: Wire, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        names = [f"job-{number}" for number in range(70)]
        ledger.submit([new_job(name) for name in names])
        fences = {name: claimed(ledger, name).fence for name in names}
        commits = []
        event.listen(database.engine, "commit", commits.append)
        told = wire.tell([Report(name, fence, Progress(step=5, total=20)) for name, fence in fences.items()])
        assert (told, len(commits)) == (set(fences.items()), 1)
        assert {index.get(name).progress.fraction for name in names} == {0.25}
        assert index.state("job-0")[1].step == 5

    def test_nothing_to_say_asks_nobody(self, tmp_path: object) -> None:
        nowhere = Database("postgresql+psycopg://someone@127.0.0.1:1/nothing")
        assert Wire(nowhere).tell([]) == set()

    def test_a_stale_fence_is_not_heard(self, wire: Wire, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        stale = claimed(ledger, "a", "zombie").fence
        ledger.release("a", stale)
        living = claimed(ledger, "a", "living").fence
        other = claimed(ledger, "b").fence
        reports = [
            Report(*attempt, Progress(step=9, total=9))
            for attempt in (("a", stale), ("b", other), ("nobody", 1))
        ]
        assert wire.tell(reports) == {("b", other)}
        assert (index.get("a").progress.step, index.get("b").progress.step) == (0, 9)
        assert wire.tell([Report("a", living, Progress(step=1, total=9))]) == {("a", living)}

    @pytest.mark.parametrize("end", ["complete", "fail", "stop", "release", "reap"])
    def test_an_attempt_that_is_over_is_not_heard(
        self, end: str, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        claim = lost(database, "a")
        ends = {
            "complete": lambda: ledger.complete("a", claim.fence, result_of(0)),
            "fail": lambda: ledger.fail("a", claim.fence, ERROR),
            "stop": lambda: ledger.stop("a", claim.fence),
            "release": lambda: ledger.release("a", claim.fence),
            "reap": ledger.reap,
        }
        assert ends[end]()
        before = index.get("a")
        assert said(database, "a", claim.fence, 3, 4) is False
        assert index.get("a") == before

    def test_a_row_that_somebody_holds_is_told_next_time(
        self, wire: Wire, ledger: Ledger, database: Database
    ) -> None:
        if database.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has one writer at a time")
        ledger.submit([new_job("a"), new_job("b")])
        reports = [Report(name, claimed(ledger, name).fence, Progress(step=1, total=2)) for name in "ab"]
        with database.writing() as connection:
            connection.execute(text("SELECT id FROM jobs WHERE id = 'a' FOR UPDATE"))
            assert wire.tell(reports) == {("b", 1)}
        assert wire.tell(reports) == {("a", 1), ("b", 1)}


class TestStops:
    def test_those_of_this_worker_that_are_asked_to_stop(self, wire: Wire, ledger: Ledger) -> None:
        ledger.submit([new_job(name) for name in "abcd"])
        for name, worker in zip("abc", ("w", "w", "other"), strict=True):
            claimed(ledger, name, worker)
        assert wire.stops("w") == set()
        for name in "bcd":
            ledger.cancel(name)
        assert (wire.stops("w"), wire.stops("other"), wire.stops("nobody")) == ({("b", 1)}, {("c", 1)}, set())
        ledger.stop("b", 1)
        assert wire.stops("w") == set()

    def test_it_waits_for_no_writer(self, wire: Wire, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a")])
        claimed(ledger, "a")
        ledger.cancel("a")
        with database.writing() as connection:
            connection.execute(text("UPDATE jobs SET label = 'other'"))
            assert wire.stops("w") == {("a", 1)}

    def test_it_reads_only_running_jobs(self, wire: Wire, database: Database) -> None:
        asked: list[tuple[str, object]] = []
        event.listen(database.engine, "before_cursor_execute", lambda *seen: asked.append(seen[2:4]))
        wire.stops("w")
        statement, parameters = next(seen for seen in asked if "cancel_requested" in seen[0])
        with database.reading() as connection:
            if connection.dialect.name == "postgresql":
                # A table this small is read whole unless that is forbidden.
                connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = connection.exec_driver_sql(PLAN[connection.dialect.name] + statement, parameters).all()
        # Either index holds no ended job, or finds none by its first column.
        assert re.search(r"ix_jobs_leased|ix_jobs_newest_of_state \(state=", str(plan))
