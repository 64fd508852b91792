"""The backlog: which queued jobs run next. Kinds take turns, and so do tenants, each with its oldest job.

A message in Redis only tells a worker to look. A worker with room for several jobs claims them in one
transaction, in the order of the backlog, so nobody is overtaken by whoever has a message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from brushwork_schemas.kinds.registry import all_kinds
from sqlalchemy import Connection, Update, select, union_all

from brushwork_core.database.database import now_ms
from brushwork_core.database.tables import JOBS, is_dispatched
from brushwork_core.ledger.backlog_statements import (
    CLAIM_FIRSTS,
    CLAIM_NAMED,
    CLAIM_OLDEST,
    CLAIM_SENT,
    RUNNING,
    TENANTS_FROM,
    WAIT_AGAIN,
    WAITING,
    work_of,
)
from brushwork_core.ledger.claim_order import ClaimedFor, ClaimOrder, TenantJobs
from brushwork_core.ledger.ledger_part import LedgerPart
from brushwork_core.ledger.records import Claim, WakeUp, claim_of
from brushwork_core.ledger.transitions import STARTED, note_start
from brushwork_core.shares.equal_share import below_share, equal_shares

# Tenants that one claim can serve.
MOST_TENANTS = 64
# Messages that one sweep can forget.
MOST_MESSAGES = 1000


@dataclass(frozen=True)
class Claims:
    """The jobs that a worker has claimed at once.

    Args:
        jobs: One claim for each job.
        more: Whether other jobs may be left that the worker could claim.
        again_s: Seconds after which the worker should look again; None for no such time.
    """

    jobs: tuple[Claim, ...] = ()
    more: bool = False
    again_s: float | None = None


class Backlog(LedgerPart):
    """Claims queued jobs in the order of the backlog."""

    def claim_next(self, order: ClaimOrder, worker: str, limit: int) -> Claims:
        """Claim up to `limit` jobs in one transaction.

        Args:
            order: Whose turn it is; it notes whose jobs were claimed.
            worker: Name of the worker.
            limit: Maximum number of jobs.
        """
        if limit <= 0:
            return Claims()
        kinds = order.kinds
        if len(kinds) > 1:
            kinds = self.kinds_with_work(kinds, worker)
        if not kinds:
            return Claims()
        values = {"by": worker, "lease_ms": self._lease_ms}

        def write(connection: Connection) -> list[Any]:
            rows: list[Any] = []
            for place, kind in enumerate(kinds):
                share = -(-(limit - len(rows)) // (len(kinds) - place))
                if share > 0:
                    rows += _claimed(connection, order, {**values, "of_kind": kind}, share)
            return rows

        rows = self._database.write(write)
        order.note([ClaimedFor(row.kind, row.tenant, row.started_at) for row in rows])
        # With several kinds, one may have left its share to others that had fewer jobs.
        return Claims(tuple(map(claim_of, rows)), more=len(rows) == limit or (bool(rows) and len(kinds) > 1))

    def claim_below_share(self, order: ClaimOrder, worker: str, limit: int) -> Claims:
        """Claim up to `limit` jobs of tenants that run fewer jobs than an equal share.

        Args:
            order: As for `claim_next`.
            worker: Name of the worker.
            limit: Maximum number of jobs.
        """
        kinds = self.kinds_with_work(order.kinds, worker)
        values = {"by": worker, "lease_ms": self._lease_ms}
        with self._database.reading() as connection:
            wanted = [
                (kind, _below_share(connection, order, {**values, "of_kind": kind}, limit)) for kind in kinds
            ]
        # Usually there are none, and nothing is written.
        if not any(missing for _, missing in wanted):
            return Claims()

        def write(connection: Connection) -> list[Any]:
            rows: list[Any] = []
            for kind, missing in wanted:
                for tenant, number in missing.items():
                    left = min(number, limit - len(rows))
                    if left > 0:
                        rows += _oldest(connection, {**values, "of_kind": kind}, tenant, left)
            _note_starts(connection, rows)
            return rows

        rows = self._database.write(write)
        order.note([ClaimedFor(row.kind, row.tenant, row.started_at) for row in rows])
        return Claims(tuple(map(claim_of, rows)))

    def claim(self, job_id: str, worker: str) -> Claim | None:
        """Claim one queued job, whosever turn it is.

        Args:
            job_id: Id of the job.
            worker: Name of the worker.

        Returns:
            None if the job is running, ended, overdue or unknown. None also if it must not run yet, or not on
            this worker.
        """
        return next(iter(self._claim_these([job_id], worker, CLAIM_NAMED)), None)

    def claim_sent(self, job_ids: Sequence[str], worker: str) -> list[Claim]:
        """Claim jobs that have messages of their own: older programs have sent these.

        Args:
            job_ids: The jobs that the messages name.
            worker: Name of the worker.
        """
        return self._claim_these(job_ids, worker, CLAIM_SENT)

    def _claim_these(self, job_ids: Sequence[str], worker: str, statement: Update) -> list[Claim]:
        values = {"by": worker, "lease_ms": self._lease_ms, "jobs": job_ids}

        def write(connection: Connection) -> Sequence[Any]:
            rows = connection.execute(statement, values).all()
            _note_starts(connection, rows)
            if len(rows) < len(job_ids):
                # Too early, or the wrong worker. The message is gone, so the job waits for its turn again.
                left = set(job_ids) - {row.job_id for row in rows}
                connection.execute(WAIT_AGAIN.where(JOBS.c.id.in_(sorted(left))))
            return rows

        return [claim_of(row) for row in self._database.write(write)]

    def has_backlog(self, kinds: Iterable[str], worker: str = "") -> bool:
        """Return whether a job of one of the kinds can be claimed now.

        Args:
            kinds: Names of the kinds.
            worker: Name of the worker that would claim it.
        """
        return bool(self.kinds_with_work(kinds, worker))

    def forget_messages(self, older_than_s: float) -> int:
        """Let jobs wait for their turn whose messages may be lost. Only older programs send such messages.

        Args:
            older_than_s: Minimum age of the message in seconds.

        Returns:
            The number of jobs.
        """
        is_old = JOBS.c.dispatched_at < now_ms() - round(older_than_s * 1000)
        # Kind by kind, as in the index of messages. For all of them, SQLite would read all queued jobs.
        old = union_all(
            *(select(JOBS.c.id).where(JOBS.c.kind == kind, is_dispatched(), is_old) for kind in all_kinds())
        )
        with self._database.reading() as connection:
            ids = list(connection.execute(old.limit(MOST_MESSAGES)).scalars())
        if not ids:
            return 0
        with self._database.writing() as connection:
            return connection.execute(WAIT_AGAIN.where(JOBS.c.id.in_(ids), is_old)).rowcount

    def kinds_with_work(self, kinds: Iterable[str], worker: str = "") -> list[str]:
        """Return those of `kinds` of which a job can be claimed now, in the given order, with one query.

        Args:
            kinds: Names of the kinds.
            worker: Name of the worker that would claim it; by default any.
        """
        names = list(kinds)
        if not names:
            return []
        with self._database.reading() as connection:
            found = set(connection.execute(work_of(tuple(names)), {"by": worker}).scalars())
        return [name for name in names if name in found]

    def wake_ups(self, kind: str, limit: int) -> list[WakeUp]:
        """Return messages for waiting jobs, to wake workers. They run whatever is next, not only these jobs.

        Args:
            kind: Name of the kind.
            limit: Maximum number of messages.
        """
        with self._database.reading() as connection:
            rows = connection.execute(WAITING, {"of_kind": kind, "by": "", "number": limit}).all()
        return [WakeUp(row.id, kind, row.label) for row in rows]


def _claimed(connection: Connection, order: ClaimOrder, values: dict[str, Any], limit: int) -> list[Any]:
    """Claim jobs of one kind, an equal share for each tenant."""
    kind = values["of_kind"]
    counts: dict[str, int] = {}
    if order.has_turns(kind):
        counts |= order.running(kind, lambda: _running_jobs(connection, kind))
    # Not as many as there is room for: whoever runs the fewest may come late in the order of the turns.
    tenants = _tenants(connection, values, MOST_TENANTS, order.last_tenant(kind))
    order.note_tenants(kind, tenants)
    rows: list[Any] = []
    shares = equal_shares(limit, tenants, counts) if tenants else {}
    if connection.dialect.name == "postgresql" and len(tenants) > len(shares) == limit:
        # Each gets one. Where another worker has just taken the job of a tenant, the next tenant gets it.
        turns = [*shares, *(tenant for tenant in tenants if tenant not in shares)]
        rows = _first_of_each(connection, values, turns, limit)
        for row in rows:
            counts[row.tenant] = counts.get(row.tenant, 0) + 1
    while tenants and len(rows) < limit:
        shares = equal_shares(limit - len(rows), tenants, counts)
        for tenant, number in shares.items():
            some = _oldest(connection, values, tenant, number)
            rows += some
            counts[tenant] = counts.get(tenant, 0) + len(some)
            if len(some) < number:
                # It has no more. The others, also those without a share so far, divide the rest.
                tenants.remove(tenant)
    _note_starts(connection, rows)
    return rows


def _below_share(
    connection: Connection, order: ClaimOrder, values: dict[str, Any], limit: int
) -> dict[str, int]:
    """How many jobs of one kind those tenants may start that run fewer than their share."""
    kind = values["of_kind"]
    tenants = _tenants(connection, values, MOST_TENANTS, order.last_tenant(kind))
    order.note_tenants(kind, tenants)
    if not order.has_turns(kind):
        return {}
    return below_share(limit, tenants, order.running(kind, lambda: _running_jobs(connection, kind)))


def _oldest(connection: Connection, values: dict[str, Any], tenant: str, number: int) -> list[Any]:
    rows = connection.execute(CLAIM_OLDEST, {**values, "of_tenant": tenant, "number": number}).all()
    return sorted(rows, key=attrgetter("rank", "job_id"))


def _first_of_each(
    connection: Connection, values: dict[str, Any], tenants: Sequence[str], number: int
) -> list[Any]:
    found = connection.execute(CLAIM_FIRSTS, {**values, "of_tenants": list(tenants), "number": number}).all()
    place = {tenant: index for index, tenant in enumerate(tenants)}
    return sorted(found, key=lambda row: place[row.tenant])


def _running_jobs(connection: Connection, kind: str) -> list[TenantJobs]:
    return [TenantJobs(*row) for row in connection.execute(RUNNING, {"of_kind": kind})]


def _tenants(connection: Connection, values: dict[str, Any], limit: int, after: str | None) -> list[str]:
    """Tenants that have jobs to claim, in the order of their turns."""
    asked = {"of_kind": values["of_kind"], "by": values["by"]}

    def tenants_from(tenant: str, number: int) -> list[str]:
        found = connection.execute(TENANTS_FROM, {**asked, "first_tenant": tenant, "number": number})
        return list(found.scalars())

    found = tenants_from("", limit)
    if after is None:
        return found
    # Usually these are all of them.
    from_after = found if len(found) < limit else tenants_from(after, limit + 1)
    later = [name for name in from_after if name > after]
    return (later + [name for name in found if name <= after])[:limit]


def _note_starts(connection: Connection, rows: Sequence[Any]) -> None:
    # Few jobs have this event, and the claim of the others must not cost more.
    for row in rows:
        if row.webhook_events is not None and STARTED in row.webhook_events.split(","):
            note_start(connection, row.job_id)
