"""The ends of several jobs in one transaction: each by its own fence."""

from dataclasses import replace

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import CELERY_TASKS, WEBHOOK_EVENTS
from brushwork_core.database.tables import JOB_ARTIFACTS, RESULTS
from brushwork_core.ledger import CeleryMessage, Completion, Ledger, WriteOutcome
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.errors import ArtifactMissing
from brushwork_schemas.job import Progress
from brushwork_schemas.states import JobState
from sqlalchemy import event, select

from tests.jobs import claimed, new_job, picture, result_of, said

TASK_ENDS = select(CELERY_TASKS.c.job_id).where(CELERY_TASKS.c.next_try_at.is_not(None))


def test_one_out_of_date_does_not_affect_the_others(
    ledger: Ledger, index: JobIndex, database: Database
) -> None:
    ledger.submit([new_job(name) for name in "abc"])
    fences = {name: claimed(ledger, name).fence for name in "abc"}
    ledger.release("b", fences["b"])
    outcomes = ledger.complete_many(
        [Completion(name, fences[name], result_of(1), (picture(name),)) for name in "abc"]
    )
    assert outcomes == [WriteOutcome.APPLIED, WriteOutcome.LEASE_LOST, WriteOutcome.APPLIED]
    assert [index.get(name).state for name in "abc"] == ["succeeded", "queued", "succeeded"]
    with database.reading() as connection:
        assert set(connection.execute(select(RESULTS.c.job_id)).scalars()) == {"a", "c"}
        assert set(connection.execute(select(JOB_ARTIFACTS.c.job_id)).scalars()) == {"a", "c"}


def test_a_repetition_is_applied_and_changes_nothing(ledger: Ledger, index: JobIndex) -> None:
    ledger.submit([new_job("a"), new_job("b")])
    first = [Completion(name, claimed(ledger, name).fence, result_of(1)) for name in "ab"]
    assert ledger.complete_many(first[:1]) == [WriteOutcome.APPLIED]
    before = index.get("a")
    again = [replace(each, result=result_of(2)) for each in first]
    assert ledger.complete_many(again) == [WriteOutcome.APPLIED] * 2
    assert index.get("a") == before
    results = [index.get(name).result for name in "ab"]
    assert [result and result.seed for result in results] == [1, 2]  # type: ignore[attr-defined]


def test_a_lone_end_without_files_is_one_statement_on_postgresql(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job("a")])
    fence = claimed(ledger, "a").fence
    sent: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    assert ledger.complete("a", fence + 1, result_of(1)) is WriteOutcome.LEASE_LOST
    with database.reading() as connection:
        assert connection.execute(select(RESULTS.c.job_id)).first() is None
    sent.clear()
    assert ledger.complete("a", fence, result_of(1)) is WriteOutcome.APPLIED
    if database.has_many_writers:
        assert len(sent) == 1
        assert "UPDATE jobs" in sent[0]
        assert "INSERT INTO results" in sent[0]


def test_each_has_done_its_own_number_of_steps(ledger: Ledger, index: JobIndex, database: Database) -> None:
    totals = {"a": 4, "b": 20, "c": 4, "d": None}
    ledger.submit([new_job(name) for name in totals])
    fences = {name: claimed(ledger, name).fence for name in totals}
    said(database, "d", fences["d"], 2, 7)
    ledger.complete_many(
        [
            Completion(name, fences[name], {}, progress=total and Progress(step=1, total=total))
            for name, total in totals.items()
        ]
    )
    progress = {name: index.state(name)[1] for name in totals}
    assert {name: (each.step, each.total) for name, each in progress.items()} == {
        "a": (4, 4), "b": (20, 20), "c": (4, 4), "d": (7, 7),
    }  # fmt: skip


def test_ends_are_noted_for_those_who_want_to_know(ledger: Ledger, database: Database) -> None:
    url = "https://receiver.example"
    ledger.submit(
        [
            new_job("told", webhook_url=url),
            new_job("quiet", webhook_url=url, webhook_events=("failed",)),
            new_job("bare", celery=CeleryMessage("bare")),
            new_job("plain"),
            new_job("lost", webhook_url=url, celery=CeleryMessage("lost")),
        ]
    )
    names = ("told", "quiet", "bare", "plain", "lost")
    fences = {name: claimed(ledger, name).fence for name in names} | {"lost": 7}
    ledger.complete_many([Completion(name, fences[name], {}) for name in names])
    with database.reading() as connection:
        events = set(connection.execute(select(WEBHOOK_EVENTS.c.id)).scalars())
        ends = set(connection.execute(TASK_ENDS).scalars())
    assert (events, ends) == ({"told:succeeded"}, {"bare"})


def test_two_attempts_of_one_job_can_end_at_once(ledger: Ledger, index: JobIndex) -> None:
    """A worker lost the lease of its own attempt, and has claimed the job again."""
    ledger.submit([new_job("a")])
    stale = claimed(ledger, "a").fence
    ledger.release("a", stale)
    fence = claimed(ledger, "a").fence
    for order in ([stale, fence], [fence, stale]):
        outcomes = ledger.complete_many([Completion("a", each, result_of(each)) for each in order])
        assert outcomes == [WriteOutcome.of(each == fence) for each in order]
    result = index.get("a").result
    assert result is not None
    assert result.seed == fence  # type: ignore[attr-defined]


def test_a_missing_file_keeps_all_from_being_written(database: Database, index: JobIndex) -> None:
    ledger = Ledger(database, is_stored=lambda sha256: sha256 != picture("2").sha256)
    ledger.submit([new_job("a"), new_job("b")])
    completions = [
        Completion(name, claimed(ledger, name).fence, result_of(1), (picture(letter),))
        for name, letter in (("a", "1"), ("b", "2"))
    ]
    with pytest.raises(ArtifactMissing):
        ledger.complete_many(completions)
    assert {index.get(name).state for name in "ab"} == {JobState.RUNNING}


def test_nothing_to_complete_is_no_work(ledger: Ledger) -> None:
    assert ledger.complete_many([]) == []
