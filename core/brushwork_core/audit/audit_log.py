"""The audit log in the database: records are added, never changed, and removed only when they are old.

A record of an act that is one transaction is written in that transaction: neither exists without the other.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from brushwork_schemas.errors import ServiceUnreachable
from sqlalchemy import ColumnElement, Connection, delete, func, select

from brushwork_core.audit.actor import Actor, current_actor
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import AUDIT_EVENTS
from brushwork_core.database.write_queue import answered_within
from brushwork_core.timing.timestamps import milliseconds_of, moment_of

LOGGER = logging.getLogger(__name__)
DONE = "done"
# Of one record. An act on more has several records.
MOST_SUBJECTS = 1000
# Records are read in pages, so that a long log needs little memory.
PAGE = 500
PRUNED_AT_ONCE = 5000
# A record of an act that is no transaction waits at most so long for SQLite's lock.
ALONE_LIMIT_S = 0.5
DAY_MS = 24 * 3600 * 1000


class AuditAction(StrEnum):
    """What was done. The names are stored; a new version may add some."""

    KEY_CREATED = "key.created"
    """An API key was created. The detail has its rights and limits."""
    KEY_REVOKED = "key.revoked"
    """An API key was revoked."""
    JOB_DELETED = "job.deleted"
    """A caller deleted a job."""
    JOBS_PRUNED = "jobs.pruned"
    """`brushwork prune` removed old jobs."""
    UPLOADS_PRUNED = "uploads.pruned"
    """`brushwork prune` removed old uploads. The detail has their number."""
    AUDIT_PRUNED = "audit.pruned"
    """`brushwork prune` removed old records of this log. The detail has their number."""
    WEBHOOK_REPLAYED = "webhook.replayed"
    """Events were sent again."""
    JOB_READ = "job.read"
    """An admin key, or a person on the command line, read jobs of another tenant."""
    FILE_READ = "file.read"
    """An admin key read a file of other tenants."""
    JOB_CANCELED = "job.canceled"
    """An admin key canceled a job of another tenant."""
    JOB_RETRIED = "job.retried"
    """An admin key ran a job of another tenant again."""
    POLICY_DECIDED = "policy.decided"
    """A policy decided about a request or a result. The outcome is the action; the detail has the policy."""
    RESULT_RELEASED = "result.released"
    """A reviewer released a held result. The detail has the policy."""
    RESULT_REFUSED = "result.refused"
    """A reviewer refused a held result. The detail has the policy."""
    REQUEST_REFUSED = "request.refused"
    """A limit refused requests of a key: rate, budget, open jobs or stored bytes. The outcome is its code."""


@dataclass(frozen=True)
class AuditEvent:
    """One record.

    Args:
        id: Number of the record. It only grows; numbers may be missing.
        at: When, by the clock of the database.
        actor: Who: `key:ID`, `operator:USER`, `program:USER` or `anyone`.
        origin: From where: the address of the client, or the name of the host.
        action: What was done.
        tenant: Whose jobs or files; None if it is about several tenants or none.
        subjects: Ids of what it was done to.
        outcome: `done`, or the code of what prevented it.
        detail: More facts, by name.
    """

    id: int
    at: datetime
    actor: str
    origin: str
    action: str
    tenant: str | None
    subjects: tuple[str, ...]
    outcome: str
    detail: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the record as values of JSON."""
        return {**asdict(self), "at": self.at.isoformat(), "subjects": list(self.subjects)}


@dataclass(frozen=True)
class AuditFilter:
    """Which records to read. A field that is None matches all.

    Args:
        since: Records of this moment or later.
        until: Records before this moment.
        actor: Records of this actor, or of this kind of actors: `key:1f2e3d4c5b6a` or `key`.
        action: Records of this action, or of actions that begin with this word: `job.deleted` or `job`.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    action: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of SQL."""
        columns, found = AUDIT_EVENTS.c, []
        if self.since is not None:
            found.append(columns.at >= milliseconds_of(self.since))
        if self.until is not None:
            found.append(columns.at < milliseconds_of(self.until))
        if self.actor is not None:
            found.append(_is_or_begins(columns.actor, self.actor, ":"))
        if self.action is not None:
            found.append(_is_or_begins(columns.action, self.action, "."))
        return found


@dataclass(frozen=True)
class Record:
    """What to record. Who acts is known from the context.

    Args:
        action: What was done.
        subjects: Ids of what it was done to.
        tenant: Whose they are; None if they are of several tenants or none.
        outcome: `done`, or the code of what prevented it.
        detail: More facts, as values of JSON. No secrets, and nothing of the content of jobs.
    """

    action: AuditAction
    subjects: Sequence[str] = ()
    tenant: str | None = None
    outcome: str = DONE
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(connection: Connection, *records: Record, actor: Actor | None = None) -> None:
    """Add records in a transaction that is open.

    Args:
        connection: The transaction of the act.
        *records: What to record.
        actor: Who acts; by default the actor of this context.
    """
    who = actor or current_actor()
    rows = [
        {
            "actor": who.name,
            "origin": who.origin,
            "action": each.action.value,
            "tenant": each.tenant,
            "subjects": list(each.subjects[start : start + MOST_SUBJECTS]),
            "outcome": each.outcome,
            "detail": dict(each.detail),
        }
        for each in records
        for start in range(0, max(1, len(each.subjects)), MOST_SUBJECTS)
    ]
    if rows:
        connection.execute(AUDIT_EVENTS.insert().values(at=now_ms()), rows)


class AuditLog:
    """Reads the records, and adds those of acts that are no transaction.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, *records: Record) -> bool:
        """Add records of something that is no transaction, such as a read. It waits half a second at most.

        Returns:
            Whether they are stored. If not, the log of the process has them.
        """
        if not records:
            return True
        # Found here: the thread of another write may write these records.
        who = current_actor()
        try:
            with answered_within(ALONE_LIMIT_S):
                self._database.write(lambda connection: record(connection, *records, actor=who))
        except ServiceUnreachable as error:
            for each in records:
                LOGGER.warning(
                    "The audit log cannot be written (%s): %s from %s, %s of %s, outcome %s",
                    *(error, who.name, who.origin, each.action.value, ", ".join(each.subjects), each.outcome),
                )
            return False
        return True

    def events(self, wanted: AuditFilter | None = None) -> Iterator[AuditEvent]:
        """Yield records, the oldest first."""
        conditions = (wanted or AuditFilter()).conditions()
        after = 0
        while True:
            page = select(AUDIT_EVENTS).where(*conditions, AUDIT_EVENTS.c.id > after)
            with self._database.reading() as connection:
                rows = connection.execute(page.order_by(AUDIT_EVENTS.c.id).limit(PAGE)).all()
            yield from map(_event, rows)
            if len(rows) < PAGE:
                return
            after = rows[-1].id

    def num_older(self, than_days: float) -> int:
        """Return the number of records that `prune` would remove."""
        counted = select(func.count()).select_from(AUDIT_EVENTS).where(_is_older(than_days))
        with self._database.reading() as connection:
            return int(connection.execute(counted).scalar_one())

    def prune(self, older_than_days: float) -> int:
        """Remove old records, and record that.

        Args:
            older_than_days: Age of the records, at least 1.

        Returns:
            The number of removed records.
        """
        removed = 0
        while True:
            some = select(AUDIT_EVENTS.c.id).where(_is_older(older_than_days)).limit(PRUNED_AT_ONCE)
            with self._database.writing() as connection:
                count = connection.execute(delete(AUDIT_EVENTS).where(AUDIT_EVENTS.c.id.in_(some))).rowcount
                if count:
                    record(connection, Record(AuditAction.AUDIT_PRUNED, detail={"number": count}))
            removed += count
            if count < PRUNED_AT_ONCE:
                return removed


def _is_older(than_days: float) -> ColumnElement[bool]:
    return AUDIT_EVENTS.c.at < now_ms() - round(than_days * DAY_MS)


def _is_or_begins(column: ColumnElement[str], word: str, end: str) -> ColumnElement[bool]:
    return (column == word) | column.startswith(f"{word}{end}", autoescape=True)


def _event(row: Any) -> AuditEvent:
    return AuditEvent(
        id=row.id,
        at=moment_of(row.at),
        actor=row.actor,
        origin=row.origin,
        action=row.action,
        tenant=row.tenant,
        subjects=tuple(row.subjects),
        outcome=row.outcome,
        detail=row.detail,
    )
