"""Lists of jobs: every filter, alone and with others, and pages that meet without a gap."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import Ledger
from brushwork_core.queries import job_index
from brushwork_core.queries.job_index import JobIndex, RunningCount
from brushwork_schemas.cursor import Cursor
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.states import JobState
from sqlalchemy import update

from tests.jobs import KIND, begun, new_job, result_of, said

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def jobs(database: Database, ledger: Ledger) -> None:
    """Twelve jobs, a minute apart, which differ in all that lists know."""
    jobs = [
        new_job(
            f"job-{number:02}",
            kind=KIND if number % 2 else "image-to-text",
            tenant="odd" if number % 3 else "even",
            group="ours" if number in (1, 4, 7) else None,
        )
        for number in range(12)
    ]
    ledger.submit(jobs)
    with database.writing() as connection:
        for number, job in enumerate(jobs):
            columns = {
                "created_at": round((BEGAN + timedelta(minutes=number)).timestamp() * 1000),
                "model": "large" if number > 8 else "small",
                "request": {"prompt": f"{'A Red' if number < 6 else 'a blue'} circle, 50%_{number}"},
            }
            connection.execute(update(JOBS).where(JOBS.c.id == job.id).values(**columns))
    ledger.cancel("job-03")


def found(index: JobIndex, **wanted: Any) -> list[int]:
    return [int(job.id.removeprefix("job-")) for job in index.list(JobFilter(**wanted))]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"kind": "image-to-text"}, [10, 8, 6, 4, 2, 0]),
        ({"state": JobState.CANCELED}, [3]),
        ({"state": JobState.RUNNING}, []),
        ({"model": "large"}, [11, 10, 9]),
        ({"tenant": "even"}, [9, 6, 3, 0]),
        ({"tenant": "nobody"}, []),
        ({"group": "ours"}, [7, 4, 1]),
        ({"text": "RED CIRCLE"}, [5, 4, 3, 2, 1, 0]),
        ({"text": "job-1"}, [11, 10]),
        # Signs that mean something to the database mean nothing here.
        ({"text": "50%_7"}, [7]),
        ({"text": "5_%"}, []),
        ({"text": "'; DROP TABLE jobs; --"}, []),
        ({"created_after": BEGAN + timedelta(minutes=9)}, [11, 10]),
        ({"created_before": BEGAN + timedelta(minutes=2)}, [1, 0]),
        ({"created_after": BEGAN, "created_before": BEGAN + timedelta(minutes=3)}, [2, 1]),
        ({"tenant": "odd", "kind": KIND, "state": JobState.QUEUED}, [11, 7, 5, 1]),
        ({"tenant": "odd", "kind": KIND, "text": "red"}, [5, 1]),
        ({"group": "ours", "model": "small", "text": "blue"}, [7]),
    ],
)
def test_a_list_holds_what_fits_all_filters_newest_first(
    index: JobIndex, wanted: dict[str, Any], expected: list[int]
) -> None:
    assert found(index, **wanted) == expected


def test_only_the_newest_are_searched_for_words(index: JobIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_index, "SEARCHED_FIRST", 2)
    monkeypatch.setattr(job_index, "MOST_SEARCHED", 7)
    assert found(index, text="red") == [5]
    assert found(index, text="red", tenant="odd") == [5, 4, 2]
    assert [job.id for job in index.list(JobFilter(text="blue"), limit=2)] == ["job-11", "job-10"]


@pytest.mark.parametrize("wanted", [{}, {"tenant": "odd"}, {"text": "circle"}])
def test_pages_meet_without_gap_or_overlap(
    index: JobIndex, database: Database, wanted: dict[str, Any]
) -> None:
    # Some of the same moment.
    with database.writing() as connection:
        same = JOBS.c.id.in_(["job-04", "job-05", "job-06", "job-07"])
        connection.execute(update(JOBS).where(same).values(created_at=1_700_000_000_000))
    everything = index.list(JobFilter(**wanted))
    pages, cursor = [], None
    while page := index.list(JobFilter(**wanted), limit=3, before=cursor):
        pages += page
        cursor = Cursor.parsed(Cursor.of(page[-1]).text)
    assert pages == everything


def test_several_jobs_are_looked_at_at_once(index: JobIndex, ledger: Ledger, database: Database) -> None:
    fence = begun(ledger, "job-00")
    assert said(database, "job-00", fence, 2, 9)
    states = index.states(["job-00", "job-01", "job-03", "nowhere"])
    assert {job_id: standing.state.value for job_id, standing in states.items()} == {
        "job-00": "running", "job-01": "queued", "job-03": "canceled",
    }  # fmt: skip
    running = states["job-00"]
    assert (running.progress.step, running.progress.total, running.attempt, running.fence) == (2, 9, 1, fence)
    ledger.release("job-00", fence)
    again = index.states(["job-00"])["job-00"]
    assert (again.state, again.attempt, again.progress.total) == (JobState.QUEUED, 0, 0)
    assert again.fence > fence


def test_more_jobs_than_one_statement_takes_are_looked_at(
    index: JobIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_index, "IDS_A_QUERY", 5)
    assert len(index.states([f"job-{number:02}" for number in range(12)])) == 12
    assert index.states([]) == {}


def test_who_runs_how_many(index: JobIndex, ledger: Ledger) -> None:
    for job_id, worker in {"job-00": "one", "job-01": "one", "job-02": "one", "job-05": "two"}.items():
        begun(ledger, job_id, worker)
    ledger.complete("job-05", index.states(["job-05"])["job-05"].fence, result_of(1))
    assert sorted(index.running(), key=lambda running: running.kind) == [
        RunningCount("one", "image-to-text", 2),
        RunningCount("one", KIND, 1),
    ]
