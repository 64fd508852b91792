"""The statements of the backlog. They are built once: to build one costs as much as to run it."""

from typing import Any

from brushwork_schemas.states import JobState
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    String,
    Update,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)

from brushwork_core.database.database import now_ms
from brushwork_core.database.tables import JOBS, in_state, is_dispatched, waits_for_dispatch
from brushwork_core.ledger.transitions import may_start


def claimable() -> ColumnElement[bool]:
    """Condition: the job may start now, and on the worker `by`."""
    is_not_avoided = or_(
        JOBS.c.avoid_worker.is_(None),
        JOBS.c.avoid_worker != bindparam("by"),
        JOBS.c.avoid_until <= now_ms(),
    )
    return may_start() & is_not_avoided


def claiming(chosen: Select[Any]) -> Update:
    """UPDATE that claims the chosen jobs."""
    # Materialized, because PostgreSQL might run it again for each row and exceed its limit.
    ids = chosen.cte("chosen").prefix_with("MATERIALIZED", dialect="postgresql")
    return (
        update(JOBS)
        .where(JOBS.c.id.in_(select(ids.c.id)))
        .values(
            state=JobState.RUNNING,
            fence=JOBS.c.fence + 1,
            attempt=JOBS.c.attempt + 1,
            worker=bindparam("by"),
            started_at=now_ms(),
            lease_expires_at=now_ms() + bindparam("lease_ms", type_=BigInteger()),
            is_performing=JOBS.c.suspicion.is_(None),
            not_before=None,
            progress_step=0,
            progress_total=0,
        )
        .returning(
            JOBS.c.id.label("job_id"),
            *(JOBS.c.kind, JOBS.c.model, JOBS.c.label, JOBS.c.request, JOBS.c.tenant, JOBS.c.fence),
            JOBS.c.started_at,
            *(JOBS.c.attempt, JOBS.c.max_attempts, JOBS.c.rank, JOBS.c.suspicion),
            (JOBS.c.started_at - JOBS.c.queued_at).label("queued_ms"),
            (JOBS.c.deadline_at - now_ms()).label("deadline_ms"),
            *(JOBS.c.traceparent, JOBS.c.priority, JOBS.c.webhook_events, JOBS.c.task_id),
        )
    )


_OF_KIND = (JOBS.c.kind == bindparam("of_kind"), waits_for_dispatch(), claimable())
# Without an order, as with EXISTS, PostgreSQL may read the whole table: it expects a waiting job soon.
_BY_INDEX = (JOBS.c.tenant, JOBS.c.rank, JOBS.c.id)
WAIT_AGAIN = update(JOBS).where(is_dispatched()).values(dispatched_at=None)
CLAIM_OLDEST = claiming(
    select(JOBS.c.id)
    .where(*_OF_KIND, JOBS.c.tenant == bindparam("of_tenant"))
    .order_by(JOBS.c.rank, JOBS.c.id)
    .limit(bindparam("number", type_=Integer()))
    .with_for_update(skip_locked=True)
)


def _named(which: ColumnElement[bool]) -> Update:
    """UPDATE that claims the queued jobs with the ids `jobs`."""
    is_named = JOBS.c.id.in_(bindparam("jobs", expanding=True))
    chosen = select(JOBS.c.id).where(is_named, in_state(JobState.QUEUED), which, claimable())
    return claiming(chosen.with_for_update(skip_locked=True))


CLAIM_NAMED, CLAIM_SENT = _named(true()), _named(is_dispatched())


def _firsts() -> Select[Any]:
    """The oldest job of each given tenant, in their order. PostgreSQL only: SQLite has one writer at a time.

    The oldest is chosen without a lock, and skipped if another transaction has locked it. So workers that
    claim at the same moment serve different tenants.
    """
    names = bindparam("of_tenants", type_=ARRAY(String()))
    turns = func.unnest(names).table_valued("tenant", with_ordinality="place").render_derived(name="turns")
    oldest = select(JOBS.c.id).where(*_OF_KIND, JOBS.c.tenant == turns.c.tenant)
    first = oldest.order_by(JOBS.c.rank, JOBS.c.id).limit(1).lateral("first")
    held = JOBS.alias("held")
    return (
        select(held.c.id)
        .select_from(turns.join(first, true()).join(held, held.c.id == first.c.id))
        # Checked again when the lock is there.
        .where(held.c.state == JobState.QUEUED.value)
        .order_by(turns.c.place)
        .limit(bindparam("number", type_=Integer()))
        .with_for_update(of=held, skip_locked=True)
    )


CLAIM_FIRSTS = claiming(_firsts())
WAITING = (
    select(JOBS.c.id, JOBS.c.label)
    .where(*_OF_KIND)
    .order_by(*_BY_INDEX)
    .limit(bindparam("number", type_=Integer()))
)
RUNNING = (
    select(JOBS.c.tenant, func.count(), func.max(JOBS.c.started_at))
    .where(JOBS.c.kind == bindparam("of_kind"), in_state(JobState.RUNNING))
    .group_by(JOBS.c.tenant)
)


def _tenants_from() -> Select[Any]:
    """Tenants with jobs to claim, by one index look-up for each. A DISTINCT would read every job."""

    def first(which: ColumnElement[bool]) -> Any:
        found = select(JOBS.c.tenant).where(*_OF_KIND, which)
        return found.order_by(JOBS.c.tenant).limit(1).scalar_subquery()

    begin = first(JOBS.c.tenant >= bindparam("first_tenant"))
    tenants = select(begin.label("tenant")).cte("tenants", recursive=True)
    following = first(JOBS.c.tenant > tenants.c.tenant)
    tenants = tenants.union_all(select(following).where(tenants.c.tenant.is_not(None)))
    wanted = bindparam("number", type_=Integer())
    return select(tenants.c.tenant).where(tenants.c.tenant.is_not(None)).limit(wanted)


TENANTS_FROM = _tenants_from()
_works: dict[tuple[str, ...], Any] = {}


def work_of(kinds: tuple[str, ...]) -> Any:
    """The statement that returns which of the kinds have work."""
    if kinds not in _works:
        parts = [
            select(literal(kind).label("kind")).where(
                select(JOBS.c.id)
                .where(JOBS.c.kind == kind, waits_for_dispatch(), claimable())
                .order_by(*_BY_INDEX)
                .limit(1)
                .scalar_subquery()
                .is_not(None)
            )
            for kind in kinds
        ]
        _works[kinds] = union_all(*parts) if len(parts) > 1 else parts[0]
    return _works[kinds]
