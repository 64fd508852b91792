"""The outbox: events of jobs for webhooks, and the state of their delivery.

The ledger writes an event in the transaction that starts or ends the job. Any number of senders take due
events and report the result. An event that a sender took and did not report becomes due again when its lease
expires.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brushwork_schemas.errors import EventNotFound
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from sqlalchemy import ColumnElement, Connection, Select, Update, and_, func, select, update

from brushwork_core.audit.actor import current_actor
from brushwork_core.audit.audit_log import AuditAction, AuditLog, Record, record
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS, is_open
from brushwork_core.database.tables import JOBS
from brushwork_core.timing.timestamps import moment_of

LEASE_S = 75.0
LONGEST_ERROR = 500
MOST_AT_ONCE = 500


@dataclass(frozen=True)
class DueEvent:
    """An event that a sender has taken, for one delivery attempt.

    Args:
        id: Id of the event.
        job_id: Id of the job.
        state: State of the job at the event: `running` for its start, else its terminal state.
        url: Address of the webhook.
        receiver: Scheme, host and port of `url`, and the tenant if there is one. Its events are sent one
            after the other.
        tenant: Tenant of the job.
        created_at: Time of the event, by the database's clock.
        attempts: Delivery attempts including this one.
        taken_at: When the sender took it, by the database's clock.
    """

    id: str
    job_id: str
    state: JobState
    url: str
    receiver: str
    tenant: str
    created_at: datetime
    attempts: int
    taken_at: datetime


@dataclass(frozen=True)
class WaitingEvent:
    """An event that is due: the first one of its receiver.

    Args:
        id: Id of the event.
        receiver: As of `DueEvent`.
        tenant: Tenant of the job.
        attempts: Delivery attempts so far.
    """

    id: str
    receiver: str
    tenant: str
    attempts: int


@dataclass(frozen=True)
class WebhookEvent:
    """An event with the state of its delivery, for operators."""

    id: str
    job_id: str
    state: JobState
    url: str
    created_at: datetime
    attempts: int
    next_try_at: datetime | None
    delivered_at: datetime | None
    dead: bool
    last_status: int | None
    last_error: str | None


class Outbox:
    """Gives events to senders, and stores the results. Safe with any number of senders.

    Args:
        database: Database of the ledger.
        lease_s: Seconds for which a taken event belongs to its sender. Longer than a delivery may take.
    """

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._lease_ms = round(lease_s * 1000)

    def take(self, limit: int, *, busy: Collection[str] = ()) -> list[DueEvent]:
        """Take due events, at most one for each receiver: the one that is due longest. Tenants take turns.

        Args:
            limit: Maximum number of events.
            busy: Receivers to leave out.
        """
        return self.lease(self.due(limit, busy=busy))

    def due(self, limit: int, *, busy: Collection[str] = ()) -> Sequence[WaitingEvent]:
        """Return due events in the order in which tenants take turns, at most one for each receiver.

        Args:
            limit: Maximum number of events.
            busy: Receivers to leave out.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_heads(min(limit, MOST_AT_ONCE), busy)).all()
        return [WaitingEvent(row.id, row.receiver, row.tenant, row.attempts) for row in rows]

    def lease(self, events: Sequence[WaitingEvent]) -> list[DueEvent]:
        """Take these events, if no other sender has taken them since."""
        # Usually nothing is due. Then no write transaction is needed.
        return self._database.write(lambda connection: self._leased(connection, events)) if events else []

    def _leased(self, connection: Connection, events: Sequence[WaitingEvent]) -> list[DueEvent]:
        ids, tenants = [event.id for event in events], {event.id: event.tenant for event in events}
        # Another sender may have taken some since the read. Rows that it has locked are left to it.
        free = (
            select(WEBHOOK_EVENTS.c.id)
            .where(WEBHOOK_EVENTS.c.id.in_(ids), _is_due())
            .order_by(WEBHOOK_EVENTS.c.id)
            .with_for_update(skip_locked=True)
        )
        taken = (
            update(WEBHOOK_EVENTS)
            .where(WEBHOOK_EVENTS.c.id.in_(connection.execute(free).scalars().all()))
            .values(attempts=WEBHOOK_EVENTS.c.attempts + 1, next_try_at=now_ms() + self._lease_ms)
            .returning(WEBHOOK_EVENTS, now_ms().label("taken_at"))
        )
        return [_due_event(row, tenants[row.id]) for row in connection.execute(taken)]

    def delivered(self, event: DueEvent, status: int) -> bool:
        """Mark an event as delivered.

        Returns:
            Whether the event still belonged to this sender.
        """
        delivered = _settled(event).values(delivered_at=now_ms(), last_status=status, last_error=None)
        return self._write(delivered) == 1

    def retry(self, event: DueEvent, after_s: float, *, error: str, status: int | None = None) -> bool:
        """Schedule the next attempt after a failed one.

        Returns:
            Whether the event still belonged to this sender.
        """
        moment = now_ms() + round(after_s * 1000)
        later = _held(event).values(next_try_at=moment, last_status=status, last_error=error[:LONGEST_ERROR])
        return self._write(later) == 1

    def mark_dead(self, event: DueEvent, *, error: str, status: int | None = None) -> bool:
        """Mark an event as dead: no attempt follows.

        Returns:
            Whether the event still belonged to this sender.
        """
        dead = _settled(event).values(dead=True, last_status=status, last_error=error[:LONGEST_ERROR])
        return self._write(dead) == 1

    def close_address(self, event: DueEvent, *, error: str, status: int) -> int:
        """Mark all open events of the same address as dead, because the address is gone.

        Returns:
            The number of these events.
        """
        same = and_(WEBHOOK_EVENTS.c.receiver == event.receiver, WEBHOOK_EVENTS.c.url == event.url)
        dead = {"dead": True, "next_try_at": None, "last_status": status, "last_error": error[:LONGEST_ERROR]}
        return self._write(update(WEBHOOK_EVENTS).where(same, is_open()).values(**dead))

    def give_back(self, event: DueEvent) -> bool:
        """Return an event that was not attempted. It is due at once, for any sender.

        Returns:
            Whether the event still belonged to this sender.
        """
        back = _held(event).values(next_try_at=now_ms(), attempts=WEBHOOK_EVENTS.c.attempts - 1)
        return self._write(back) == 1

    def list(self, *, dead: bool = False, limit: int = 50) -> list[WebhookEvent]:
        """Return events, the newest first.

        Args:
            dead: Whether to return only dead events.
            limit: Maximum number of events.
        """
        columns = WEBHOOK_EVENTS.c
        statement = select(WEBHOOK_EVENTS).order_by(columns.created_at.desc(), columns.id.desc()).limit(limit)
        if dead:
            statement = statement.where(columns.dead)
        with self._database.reading() as connection:
            return [_webhook_event(row) for row in connection.execute(statement)]

    def replay(self, event_id: str) -> None:
        """Deliver an event again, whatever its state, with all attempts before it.

        Raises:
            EventNotFound: No event has this id.
        """
        if not self._replay(WEBHOOK_EVENTS.c.id == event_id):
            missing = Record(AuditAction.WEBHOOK_REPLAYED, (event_id[:120],), outcome=EventNotFound.code)
            AuditLog(self._database).add(missing)
            raise EventNotFound(
                said("There is no event {event_id}.", event_id=ascii(event_id)[:120]),
                field="event_id",
                hint="See: brushwork webhooks list",
            )

    def replay_dead(self) -> int:
        """Deliver all dead events again.

        Returns:
            The number of these events.
        """
        return self._replay(WEBHOOK_EVENTS.c.dead)

    def _replay(self, which: ColumnElement[bool]) -> int:
        # Known here: another thread may run the write.
        actor = current_actor()

        def replay(connection: Connection) -> int:
            ids = connection.execute(_reset().where(which).returning(WEBHOOK_EVENTS.c.id)).scalars().all()
            if ids:
                record(connection, Record(AuditAction.WEBHOOK_REPLAYED, ids), actor=actor)
            return len(ids)

        return self._database.write(replay)

    def _write(self, statement: Update) -> int:
        return self._database.write(lambda connection: int(connection.execute(statement).rowcount))


def _is_due() -> Any:
    return and_(is_open(), WEBHOOK_EVENTS.c.next_try_at <= now_ms())


def _heads(limit: int, busy: Collection[str]) -> Select[Any]:
    """The first due event of each receiver. A receiver costs two index look-ups, whatever its events.

    Tenants take turns: first the event of each tenant that is due longest, then its second one.
    """
    events = WEBHOOK_EVENTS.c
    known = select(func.min(events.receiver).label("name")).where(is_open()).cte("known", recursive=True)
    beyond = select(func.min(events.receiver)).where(is_open(), events.receiver > known.c.name)
    known = known.union_all(select(beyond.scalar_subquery()).where(known.c.name.is_not(None)))
    inner = WEBHOOK_EVENTS.alias("inner_events")
    first = (
        select(inner.c.id)
        .where(
            inner.c.receiver == known.c.name,
            inner.c.next_try_at.is_not(None),
            inner.c.next_try_at <= now_ms(),
        )
        .order_by(inner.c.next_try_at, inner.c.id)
        .limit(1)
        .correlate(known)
        .scalar_subquery()
    )
    by_time = (events.next_try_at, events.id)
    turn = func.row_number().over(partition_by=JOBS.c.tenant, order_by=by_time)
    heads = (
        select(
            events.id, events.receiver, events.attempts, events.next_try_at, JOBS.c.tenant, turn.label("turn")
        )
        .select_from(known)
        .join(WEBHOOK_EVENTS, events.id == first)
        .join(JOBS, JOBS.c.id == events.job_id)
        .where(known.c.name.not_in(busy))
        .subquery()
    )
    return select(heads).order_by(heads.c.turn, heads.c.next_try_at, heads.c.id).limit(limit)


def _held(event: DueEvent) -> Update:
    """The event, if no other sender has taken or settled it since."""
    return update(WEBHOOK_EVENTS).where(
        WEBHOOK_EVENTS.c.id == event.id, WEBHOOK_EVENTS.c.attempts == event.attempts, is_open()
    )


def _settled(event: DueEvent) -> Update:
    return _held(event).values(next_try_at=None)


def _reset() -> Update:
    return update(WEBHOOK_EVENTS).values(next_try_at=now_ms(), attempts=0, delivered_at=None, dead=False)


def _due_event(row: Any, tenant: str) -> DueEvent:
    return DueEvent(
        id=row.id,
        job_id=row.job_id,
        state=JobState(row.state),
        url=row.url,
        receiver=row.receiver,
        tenant=tenant,
        created_at=moment_of(row.created_at),
        attempts=row.attempts,
        taken_at=moment_of(row.taken_at),
    )


def _webhook_event(row: Any) -> WebhookEvent:
    return WebhookEvent(
        id=row.id,
        job_id=row.job_id,
        state=JobState(row.state),
        url=row.url,
        created_at=moment_of(row.created_at),
        attempts=row.attempts,
        next_try_at=moment_of(row.next_try_at),
        delivered_at=moment_of(row.delivered_at),
        dead=row.dead,
        last_status=row.last_status,
        last_error=row.last_error,
    )
