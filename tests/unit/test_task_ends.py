"""Celery's outbox: each end of a job is written with that end or not at all, and sent by one sender."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import CELERY_CHAINED, CELERY_TASKS
from brushwork_core.ledger import CeleryMessage, Ledger
from brushwork_core.ledger.task_ends import TaskEnds
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.task_states import TaskStates
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState
from brushwork_workers.dispatch.task_end_sender import TaskEndSender
from brushwork_workers.execution.task_events import TaskEvents
from sqlalchemy import event, update

from tests.jobs import ERROR, claimed, count, new_job, overdue, result_of
from tests.unit.test_outbox import ENDS

LINK = {"link": [{"task": "done", "args": [], "kwargs": {}, "options": {}}]}


def bare_job(job_id: str = "a", relations: Mapping[str, Any] = LINK, **options: Any) -> Any:
    return replace(new_job(job_id, **options), celery=CeleryMessage(job_id, relations, ("next",)))


class Recorder:
    """Records which callbacks were published, and fails as often as it was told to."""

    def __init__(self, failures: tuple[Exception, ...] = ()) -> None:
        self.published: list[tuple[str, JobState, bool]] = []
        self._failures = list(failures)

    def publish(self, job: Job, relations: Mapping[str, Any], *, again: bool) -> int:
        if self._failures:
            raise self._failures.pop(0)
        self.published.append((job.id, job.state, again))
        return len(relations.get("link", ()))

    def close(self) -> None:
        return


class Heard(TaskEvents):
    """The events that are sent, without their times."""

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [
            (event, {name: value for name, value in fields.items() if name != "timestamp"})
            for event, fields in self._waiting
        ]


def sender(database: Database, callbacks: Recorder, heard: Heard | None = None) -> TaskEndSender:
    return TaskEndSender(TaskEnds(database), JobIndex(database), callbacks, heard or TaskEvents())


@pytest.mark.parametrize("name", ENDS)
def test_every_end_of_a_bare_message_is_in_the_outbox_once(
    name: str, ledger: Ledger, database: Database
) -> None:
    state, end = ENDS[name]
    ledger.submit([bare_job()])
    assert TaskEnds(database).take(9) == []
    end(ledger, database)
    callbacks, heard = Recorder(), Heard()
    sender(database, callbacks, heard).send_due()
    sender(database, callbacks, heard).send_due()
    assert callbacks.published == [("a", state, False)]
    assert len(heard.events) == 1


@pytest.mark.parametrize("name", ENDS)
def test_an_end_that_is_rolled_back_is_not_in_the_outbox(name: str, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    ledger = Ledger(database, lease_s=600)
    ledger.submit([bare_job()])

    def refuse(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "celery_tasks" in statement and not statement.startswith("SELECT"):
            raise RuntimeError("the power is gone")

    event.listen(database.engine, "before_cursor_execute", refuse)
    with pytest.raises(RuntimeError):
        ENDS[name][1](ledger, database)
    event.remove(database.engine, "before_cursor_execute", refuse)
    assert not JobIndex(database).get("a").is_finished
    assert TaskEnds(database).take(9) == []
    database.close()


@pytest.mark.parametrize("end", ["complete", "fail"])
@pytest.mark.one_database("the statements are the same")
def test_the_end_of_a_clients_job_costs_no_statement_more(
    end: str, ledger: Ledger, database: Database
) -> None:
    seen: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda c, cursor, statement, *rest: seen.append(statement)
    )
    ledger.submit([new_job("a")])
    ENDS[end][1](ledger, database)
    assert not [statement for statement in seen if "celery" in statement]
    assert count(database, CELERY_TASKS) == 0


def test_a_clients_job_that_no_worker_ended_is_told_to_flower(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job("canceled"), new_job("late")])
    ledger.cancel("canceled")
    overdue(database, "late")
    ledger.expire_queued()
    heard = Heard()
    sender(database, Recorder(), heard).send_due()
    assert {(name, fields["uuid"], fields["expired"]) for name, fields in heard.events} == {
        ("task-revoked", "canceled", False),
        ("task-revoked", "late", True),
    }
    assert {fields["name"] for _, fields in heard.events} == {"brushwork.text-to-image"}
    # Nothing of them stays.
    assert count(database, CELERY_TASKS) == 0


def test_an_end_belongs_to_one_sender_until_its_lease_is_over(ledger: Ledger, database: Database) -> None:
    ledger.submit([bare_job()])
    ledger.cancel("a")
    [first] = TaskEnds(database, lease_s=-1).take(9)
    [second] = TaskEnds(database).take(9)
    assert (first.attempts, second.attempts) == (1, 2)
    assert TaskEnds(database).take(9) == []
    assert not TaskEnds(database).sent(first)
    assert TaskEnds(database).sent(second)
    assert not TaskEnds(database).sent(second)


def test_callbacks_are_sent_again_after_an_outage_of_redis(ledger: Ledger, database: Database) -> None:
    ledger.submit([bare_job()])
    ledger.cancel("a")
    callbacks, heard = Recorder((ServiceUnreachable("Redis is away"),)), Heard()
    sender(database, callbacks, heard).send_due()
    assert (callbacks.published, heard.events) == ([], [])
    with database.writing() as connection:
        connection.execute(update(CELERY_TASKS).values(next_try_at=1))
    sender(database, callbacks, heard).send_due()
    assert callbacks.published == [("a", JobState.CANCELED, True)]
    assert [name for name, _ in heard.events] == ["task-revoked"]


def test_callbacks_that_cannot_be_sent_do_not_block_others(ledger: Ledger, database: Database) -> None:
    ledger.submit([bare_job("a"), bare_job("b")])
    ledger.cancel("a")
    ledger.cancel("b")
    callbacks, heard = Recorder((RuntimeError("no signature"),)), Heard()
    sender(database, callbacks, heard).send_due()
    assert [job_id for job_id, *_ in callbacks.published] == ["b"]
    assert len(heard.events) == 2


def test_the_end_by_an_older_worker_is_found(ledger: Ledger, database: Database) -> None:
    ledger.submit([bare_job("a"), bare_job("b")])
    fence = claimed(ledger, "a").fence
    ledger.complete("a", fence, result_of(1))
    with database.writing() as connection:
        # As a worker leaves it that does not know the outbox.
        connection.execute(update(CELERY_TASKS).values(next_try_at=None))
    ends = TaskEnds(database)
    assert ends.take(9) == []
    assert ends.find_missed() == 1
    assert [end.job_id for end in ends.take(9)] == ["a"]
    assert ends.find_missed() == 0


@pytest.mark.parametrize(
    ("end", "events"),
    [
        (lambda ledger: ledger.complete("a", claimed(ledger, "a").fence, result_of(1)), "task-succeeded"),
        (lambda ledger: ledger.fail("a", claimed(ledger, "a").fence, ERROR), "task-failed"),
        (lambda ledger: ledger.cancel("a"), "task-revoked"),
    ],
    ids=["complete", "fail", "cancel"],
)
@pytest.mark.one_database("the events are the same")
def test_flower_learns_state_and_no_reason(
    end: Callable[[Ledger], object], events: str, ledger: Ledger, database: Database
) -> None:
    ledger.submit([bare_job()])
    end(ledger)
    heard = Heard()
    sender(database, Recorder(), heard).send_due()
    [(name, fields)] = heard.events
    assert (name, fields["uuid"]) == (events, "a")
    assert ERROR.message not in str(fields)


def test_revoke_acts_only_on_what_came_as_a_bare_message(ledger: Ledger, database: Database) -> None:
    ledger.submit([bare_job("queued"), bare_job("running"), new_job("client")])
    claimed(ledger, "running")
    before = [ledger.revoke(job_id, terminate=False) for job_id in ("queued", "running", "client", "nobody")]
    assert before == [JobState.QUEUED, JobState.RUNNING, None, None]
    index = JobIndex(database)
    assert index.get("queued").state is JobState.CANCELED
    assert not index.get("running").cancel_requested
    assert index.get("client").state is JobState.QUEUED
    ledger.revoke("running", terminate=True)
    assert index.get("running").cancel_requested


def test_a_broken_chain_is_known_by_its_next_tasks(ledger: Ledger, database: Database) -> None:
    ledger.submit([bare_job()])
    states = TaskStates(database)
    assert states.broken_chain("next") is None
    ledger.cancel("a")
    broken = states.broken_chain("next")
    assert broken is not None
    assert broken.id == "a"
    assert states.broken_chain("other") is None
    assert count(database, CELERY_CHAINED) == 1


@pytest.mark.parametrize("task_id", ["a/b", "x" * 500, "a\0b", "\ud800", ""])
def test_any_text_may_be_asked_for(task_id: str, database: Database) -> None:
    states = TaskStates(database)
    assert states.job(task_id) is None
    assert states.broken_chain(task_id) is None
