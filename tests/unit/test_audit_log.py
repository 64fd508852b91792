"""The audit log: what is recorded with an act, that records stay as they are, and how they are read."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from brushwork_core.access.api_keys import ApiKeys, Scope, id_of
from brushwork_core.audit import audit_log
from brushwork_core.audit.actor import Actor, ActorKind, acting_as, current_actor
from brushwork_core.audit.audit_log import (
    MOST_SUBJECTS,
    PAGE,
    AuditAction,
    AuditEvent,
    AuditFilter,
    AuditLog,
    Record,
    record,
)
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import AUDIT_EVENTS
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.job_deletion import JobDeletion
from brushwork_core.files.retention import Retention
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import EventNotFound, JobNotEnded, JobNotFound, KeyNotFound
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DatabaseError

from tests.commands import Answer, run_command
from tests.jobs import new_job

ALICE = Actor("key:00ff00ff00ff", "192.0.2.7")
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def log(database: Database) -> AuditLog:
    return AuditLog(database)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def told(log: AuditLog, **wanted: object) -> list[tuple[str, tuple[str, ...], str]]:
    found = log.events(AuditFilter(**wanted))  # type: ignore[arg-type]
    return [(event.action, event.subjects, event.outcome) for event in found]


def aged(database: Database, days: float, **values: object) -> None:
    """A record as it would be after so many days."""
    row = {
        "actor": "anyone",
        "origin": "h",
        "action": "job.read",
        "subjects": [],
        "outcome": "done",
        "detail": {},
    }
    with database.writing() as connection:
        statement = AUDIT_EVENTS.insert().values(at=now_ms() - round(days * DAY_MS), **{**row, **values})
        connection.execute(statement)


def test_a_key_is_recorded_with_its_rights_and_without_its_secret(database: Database, log: AuditLog) -> None:
    with acting_as(ALICE):
        key = ApiKeys(database).create("phone", tenant="acme", scopes=[Scope.READ], daily_budget=2.5)
        ApiKeys(database).revoke(id_of(key))
        ApiKeys(database).revoke(id_of(key))
        with pytest.raises(KeyNotFound):
            ApiKeys(database).revoke("nobody")
    created, *others = log.events()
    assert (created.actor, created.origin, created.tenant) == ("key:00ff00ff00ff", "192.0.2.7", "acme")
    assert created.subjects == (id_of(key),)
    assert created.detail == {
        "name": "phone", "scopes": ["read"], "daily_budget": 2.5, "requests_per_minute": None,
        "max_open_jobs": None, "max_stored_bytes": None, "expires_in_s": None,
    }  # fmt: skip
    assert key.rpartition("_")[2] not in json.dumps(created.as_json())
    assert [(event.action, event.outcome, event.actor) for event in others] == [
        ("key.revoked", "done", ALICE.name),
        ("key.revoked", "already_revoked", ALICE.name),
        ("key.revoked", "key_not_found", ALICE.name),
    ]


def test_a_deletion_is_recorded_with_its_outcome(
    database: Database, ledger: Ledger, log: AuditLog, store: ArtifactStore
) -> None:
    ledger.submit([new_job("a", tenant="acme"), new_job("b", tenant="acme")])
    ledger.cancel("a")
    deletion = JobDeletion(database, store)
    with acting_as(ALICE):
        deletion.delete("a", "acme")
        with pytest.raises(JobNotEnded):
            deletion.delete("b", "acme")
        for job_id, tenant in (("b", "other"), ("c", None)):
            with pytest.raises(JobNotFound):
                deletion.delete(job_id, tenant)
    assert told(log) == [("job.deleted", ("a",), "done"), ("job.deleted", ("b",), "job_not_ended")]
    assert {event.tenant for event in log.events()} == {"acme"}


def test_act_and_record_are_one_transaction(
    database: Database, ledger: Ledger, log: AuditLog, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.submit([new_job("a")])
    ledger.cancel("a")
    # Too long for its column on PostgreSQL, and refused by a check of SQLAlchemy's type on SQLite.
    monkeypatch.setattr("brushwork_core.files.job_deletion.Record", lambda *_: Record("x", [object()]))  # type: ignore[list-item,arg-type]
    with pytest.raises(Exception, match=r"value|serializable"):
        JobDeletion(database, store).delete("a")
    monkeypatch.undo()
    JobDeletion(database, store).delete("a")
    assert told(log) == [("job.deleted", ("a",), "done")]


def test_what_prune_removes_is_recorded(
    database: Database, ledger: Ledger, log: AuditLog, store: ArtifactStore
) -> None:
    ledger.submit([new_job("a"), new_job("b"), new_job("stays")])
    ledger.cancel("a")
    ledger.cancel("b")
    TenantFiles(database).record_upload(
        "acme", Artifact(sha256="0" * 64, media_type="image/png", size_bytes=1)
    )
    aged(database, 400)
    retention = Retention(database, store, audit_days=365)
    assert retention.prune(0, dry_run=True).num_audit_records == 1
    assert told(log) == [("job.read", (), "done")]
    assert retention.prune(-1).num_audit_records == 1
    records = {event.action: event for event in log.events()}
    assert set(records["jobs.pruned"].subjects) == {"a", "b"}
    assert records["uploads.pruned"].detail == {"number": 1}
    assert records["audit.pruned"].detail == {"number": 1}
    assert {event.actor for event in records.values()} == {current_actor().name}


def test_replays_are_recorded(database: Database, ledger: Ledger, outbox: Outbox, log: AuditLog) -> None:
    ledger.submit(
        [new_job("a", webhook_url="https://r.example/"), new_job("b", webhook_url="https://s.example/")]
    )
    ledger.cancel("a")
    ledger.cancel("b")
    for event in outbox.lease(outbox.due(9)):
        outbox.mark_dead(event, error="away")
    with acting_as(ALICE):
        outbox.replay("a:canceled")
        assert outbox.replay_dead() == 1
        assert outbox.replay_dead() == 0
        with pytest.raises(EventNotFound):
            outbox.replay("c:canceled")
    assert told(log, actor=ALICE.name) == [
        ("webhook.replayed", ("a:canceled",), "done"),
        ("webhook.replayed", ("b:canceled",), "done"),
        ("webhook.replayed", ("c:canceled",), "event_not_found"),
    ]


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


@pytest.mark.parametrize(
    "change",
    [
        update(AUDIT_EVENTS).values(outcome="done"),
        update(AUDIT_EVENTS).values(actor="key:other").where(AUDIT_EVENTS.c.id > 0),
        delete(AUDIT_EVENTS),
        text("UPDATE audit_events SET at = 0"),
        text("DELETE FROM audit_events WHERE action = 'job.read'"),
        text("TRUNCATE audit_events"),
    ],
    ids=["update", "update one", "delete", "update age", "delete one", "empty"],
)
def test_a_record_is_not_changed_and_stays_a_day(database: Database, log: AuditLog, change: object) -> None:
    log.add(Record(AuditAction.JOB_READ, ["a"]))
    before = list(log.events())
    # SQLite does not know the last one.
    with (
        pytest.raises(DatabaseError, match=r"records of the audit log|syntax error"),
        database.engine.begin() as connection,
    ):
        connection.execute(change)  # type: ignore[call-overload]
    assert list(log.events()) == before


def test_only_old_records_are_pruned_and_numbers_are_not_used_again(
    database: Database, log: AuditLog
) -> None:
    aged(database, 2.5)
    aged(database, 1.5)
    newest = max(event.id for event in log.events())
    assert (log.num_older(2), log.prune(2), log.prune(2)) == (1, 1, 0)
    assert log.prune(1) == 1
    assert [event.detail for event in log.events()] == [{"number": 1}, {"number": 1}]
    assert [event.id for event in log.events()] == [newest + 1, newest + 2]


def test_many_subjects_are_several_records(database: Database, log: AuditLog) -> None:
    ids = [str(number) for number in range(MOST_SUBJECTS + 1)]
    with database.writing() as connection:
        record(connection, Record(AuditAction.JOBS_PRUNED, ids))
    assert [len(event.subjects) for event in log.events()] == [MOST_SUBJECTS, 1]


@pytest.mark.one_database("pages are the same on both")
def test_all_pages_are_read(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "PAGE", 3)
    log.add(*(Record(AuditAction.JOB_READ, [str(number)]) for number in range(7)))
    assert [event.subjects for event in log.events()] == [(str(number),) for number in range(7)]
    assert PAGE > 3


@pytest.mark.one_database("the act goes on in the same way")
def test_a_log_that_cannot_be_written_stops_nobody(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    database, other = Database(sqlite_url), Database(sqlite_url)
    with other.writing(), acting_as(ALICE):
        assert not AuditLog(database).add(Record(AuditAction.JOB_READ, ["a", "b"], "acme"))
    [line] = [line.getMessage() for line in caplog.records]
    assert all(word in line for word in ("key:00ff00ff00ff", "192.0.2.7", "job.read", "a, b"))
    assert list(AuditLog(database).events()) == []
    database.close()
    other.close()


def test_the_process_is_named_by_the_system() -> None:
    actor = Actor.of_process(ActorKind.OPERATOR)
    assert (actor.kind, actor.origin) == (ActorKind.OPERATOR, socket.gethostname())
    assert actor.id


class TestCommand:
    pytestmark = pytest.mark.one_database("the command has no statements of its own")

    @pytest.fixture
    def run(
        self, capsys: pytest.CaptureFixture[str], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., Answer]:
        monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
        database = Database(sqlite_url)
        aged(database, 40, actor="key:abc", subjects=["old"], tenant="acme", action="job.read")
        aged(database, 2, actor="anyone", subjects=["x", "y", "z", "w"], action="job.deleted")
        aged(database, 0, actor="key:abd\x1b[31m", subjects=["new"], action="jobs.pruned", outcome="refused")
        database.close()
        return lambda *arguments: run_command(capsys, *arguments)

    @pytest.mark.parametrize(
        ("options", "subjects"),
        [
            ([], ["old", "x", "new"]),
            (["--since", "30d"], ["x", "new"]),
            (["--until", "1d", "--since", "3d"], ["x"]),
            (["--actor", "key"], ["old", "new"]),
            (["--actor", "key:abc"], ["old"]),
            (["--actor", "key:ab"], []),
            (["--action", "job"], ["old", "x"]),
            (["--action", "job.deleted"], ["x"]),
            (["--since", f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%dT%H:%M}"], ["x", "new"]),
            (["--until", f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"], ["old"]),
        ],
    )
    def test_the_log_is_read_as_lines_of_json(
        self, run: Callable[..., Answer], options: list[str], subjects: list[str]
    ) -> None:
        answer = run("audit", "--json", *options)
        assert answer.status == 0
        found = [json.loads(line) for line in answer.out.splitlines()]
        assert [each["subjects"][0] for each in found] == subjects
        assert all(set(each) == set(AuditEvent.__dataclass_fields__) for each in found)

    def test_people_read_it_without_escape_codes(self, run: Callable[..., Answer]) -> None:
        answer = run("audit")
        assert "\x1b" not in answer.out
        assert "x, y, z, and 1 more" in answer.out
        assert "old of tenant acme" in answer.out
        assert "(refused)" in answer.out

    @pytest.mark.parametrize("moment", ["yesterday", "", "12", "2026-13-01"])
    def test_what_is_no_moment_is_refused(self, run: Callable[..., Answer], moment: str) -> None:
        answer = run("audit", "--since", moment)
        assert answer.status == 2
        assert "neither a duration nor a moment" in answer.err

    def test_what_operators_do_and_read_is_recorded(
        self, run: Callable[..., Answer], sqlite_url: str
    ) -> None:
        database = Database(sqlite_url)
        ledger = Ledger(database)
        ledger.submit([new_job("a" * 8, tenant="acme"), new_job("b" * 8)])
        assert run("keys", "create", "phone").status == 0
        assert run("show", "a" * 8).status == 0
        assert run("show", "b" * 8).status == 0
        assert run("jobs", "--json").status == 0
        ledger.cancel("a" * 8)
        assert run("delete", "a" * 8).status == 0
        wanted = AuditFilter(actor="operator")
        found = [(event.action, event.subjects) for event in AuditLog(database).events(wanted)]
        assert found[1:] == [("job.read", ("a" * 8,)), ("job.read", ("a" * 8,)), ("job.deleted", ("a" * 8,))]
        assert found[0][0] == "key.created"
        database.close()
