"""The judge notices what it is there for: each invariant is broken by hand, and named."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import JOBS, RESULTS
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.queries.job_index import JobIndex
from sqlalchemy import delete, update

from tests.chaos import history
from tests.chaos.evidence import gather
from tests.chaos.invariants import Verdict, judge
from tests.chaos.journal import Journal
from tests.chaos.record import Record
from tests.clients import png
from tests.jobs import claimed, new_job, result_of

Break = Callable[["Case"], object]


class Case:
    """Two jobs that have ended as they should: one succeeded, one failed."""

    def __init__(self, database: Database, folder: Path) -> None:
        history.install(database)
        self.database, self.files = database, folder / "artifacts"
        self.ledger, self.journal, self.record = (
            Ledger(database, lease_s=600),
            Journal(folder / "j"),
            Record(),
        )
        self.ledger.submit([new_job("good"), new_job("bad")])
        self.picture = ArtifactStore(str(self.files)).put_picture(png())
        for job_id in ("good", "bad"):
            claim = claimed(self.ledger, job_id)
            self.journal.note("begun", job_id, claim.fence)
        result = {**result_of(1), "images": [self.picture.model_dump()]}
        assert self.ledger.complete("good", 1, result, [self.picture]) is WriteOutcome.APPLIED
        assert self.ledger.stop("bad", 1) is WriteOutcome.APPLIED
        for job_id in ("good", "bad"):
            self.answer(job_id)

    def verdict(self) -> Verdict:
        return judge(gather(self.record, self.database, self.journal, self.files))

    def answer(self, job_id: str, **changes: object) -> None:
        job = JobIndex(self.database).get(job_id)
        self.record.note([job.model_copy(update=changes)], job.state, 0.0)

    def change(self, job_id: str, **columns: object) -> None:
        with self.database.writing() as connection:
            connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(**columns))


def _forget(case: Case) -> None:
    with case.database.writing() as connection:
        connection.execute(delete(RESULTS))
        connection.execute(delete(JOBS).where(JOBS.c.id == "good"))


def _damage_the_picture(case: Case) -> None:
    for file in case.files.rglob(case.picture.sha256):
        file.write_bytes(b"x" * file.stat().st_size)


def _tell_too_much(case: Case) -> None:
    with case.database.writing() as connection:
        event = {"id": "bad:failed", "job_id": "bad", "state": "failed", "url": "x", "created_at": 0}
        connection.execute(WEBHOOK_EVENTS.insert().values(event))


def _share_a_key(case: Case) -> None:
    case.change("good", idempotency_key="k")
    for job_id in ("good", "bad"):
        case.answer(job_id, idempotency_key="k")


BREAKS: dict[str, Break] = {
    "I1": lambda case: case.answer("good", id="never-written"),
    "lost": _forget,
    "twice": lambda case: (case.change("bad", state="running"), case.change("bad", state="canceled")),
    "I2": lambda case: case.change("bad", state="queued"),
    "I3": lambda case: case.change("bad", state="succeeded"),
    "I4": lambda case: case.change("good", fence=7),
    "I5": lambda case: case.journal.note("begun", "good", 1),
    "I6": lambda case: case.change("bad", attempt=9, fence=9),
    "I7": _damage_the_picture,
    "I8": _tell_too_much,
    "I9": _share_a_key,
}


@pytest.fixture
def case(sqlite_url: str, tmp_path: Path) -> Iterator[Case]:
    """On SQLite alone: triggers would stay in the PostgreSQL that all tests share."""
    database = Database(sqlite_url)
    yield Case(database, tmp_path)
    database.close()


def test_what_went_well_is_no_violation(case: Case) -> None:
    verdict = case.verdict()
    assert (verdict.accepted, verdict.lost, verdict.twice, list(verdict.violations)) == (2, 0, 0, [])


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_named(case: Case, name: str) -> None:
    BREAKS[name](case)
    assert [words for words in case.verdict().violations if words.startswith(name)]
