"""Metrics of all processes, stored in the database, so that one `/metrics` can return them.

The name of a row is a label of every sample, so a row is used again after a restart: `gateway@host`, and
`gateway@host/2` for the second gateway on the same host. Each process claims a free row when it starts.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import TELEMETRY
from brushwork_core.database.upsert import insert_or_ignore

LOGGER = logging.getLogger(__name__)
# A process without a report for this time has ended, and its metrics have been scraped.
KEPT_S = 3600.0
# Each process looks for such rows with its first report, and then at this interval.
FORGET_EVERY_S = 600.0
# A row without a report for this time may be claimed by another process: three reports of an idle worker,
# which come every ten seconds, are missing.
SILENT_S = 30.0
_Written = TypeVar("_Written")


@dataclass(frozen=True)
class ProcessReport:
    """The last report of a process.

    Args:
        process: Name of the process, which its successor uses again.
        role: `worker`, `sender` or `gateway`.
        samples: Metrics in the Prometheus text format.
    """

    process: str
    role: str
    samples: str


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that reports metrics.

    Args:
        name: Name that it wants to have, such as `gateway@host`. Another process may have it.
        role: `worker`, `sender` or `gateway`.
        owner: Identifies this start of the process.
        is_only_one: Whether no other live process has this name, so that a row of this name is free.
        has_ended: Returns whether the process that an `owner` identifies has certainly ended.
    """

    name: str
    role: str
    owner: str
    is_only_one: bool = False
    has_ended: Callable[[str], bool] = lambda owner: False


class ProcessReports:
    """Stores and returns reports. A report that cannot be written is dropped, and never fails its process.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_failing = False
        self._forgets_at = 0.0

    def claim(self, identity: ProcessIdentity) -> ProcessReport | None:
        """Claim the first free row of a name.

        Returns:
            The row, with the last report of the process that had it before; None if the database does not
            answer.
        """
        return self._attempted(lambda connection: _claim(connection, identity))

    def report(self, process: str, role: str, samples: str, owner: str | None = None) -> bool | None:
        """Replace the report of a process.

        Args:
            process: Name of its row.
            role: `worker`, `sender` or `gateway`.
            samples: Metrics in the Prometheus text format.
            owner: The process that has claimed the row; None for a process that claims none.

        Returns:
            Whether it was written: False if another process has claimed the row, None if the database does
            not answer.
        """
        row = {"role": role, "samples": samples, "owner": owner}
        if time.monotonic() >= self._forgets_at:
            self._forgets_at = time.monotonic() + FORGET_EVERY_S
            self._attempted(_forget)
        return self._attempted(lambda connection: _put(connection, process, row))

    def leave(self, process: str, owner: str) -> None:
        """Let other processes claim the row at once. Its last report stays visible for a minute."""
        mine = update(TELEMETRY).where(TELEMETRY.c.process == process, TELEMETRY.c.owner == owner)
        self._attempted(lambda connection: connection.execute(mine.values(owner=None)))

    def live(self, within_s: float) -> Sequence[ProcessReport]:
        """Return the reports of the last `within_s` seconds, ordered by the name of the process."""
        since = now_ms() - round(within_s * 1000)
        statement = select(TELEMETRY).where(TELEMETRY.c.seen_at >= since).order_by(TELEMETRY.c.process)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return [ProcessReport(row.process, row.role, row.samples) for row in rows]

    def _attempted(self, work: Callable[[Connection], _Written]) -> _Written | None:
        try:
            written = self._database.write(work)
        except Exception as error:
            if not self._is_failing:
                LOGGER.warning("The metrics of this process cannot be written: %s", error)
            self._is_failing = True
            return None
        self._is_failing = False
        return written


def _claim(connection: Connection, identity: ProcessIdentity) -> ProcessReport:
    for number in count(1):
        name = identity.name if number == 1 else f"{identity.name}/{number}"
        new = {"role": identity.role, "seen_at": now_ms(), "samples": "", "owner": identity.owner}
        if _inserted(connection, name, new):
            return ProcessReport(name, identity.role, "")
        silent = (now_ms() - TELEMETRY.c.seen_at > round(SILENT_S * 1000)).label("is_silent")
        row = connection.execute(
            select(TELEMETRY, silent).where(TELEMETRY.c.process == name).with_for_update()
        ).one_or_none()
        if row is not None and (row.owner is None or row.is_silent or _is_free(identity, row.owner)):
            mine = update(TELEMETRY).where(TELEMETRY.c.process == name)
            connection.execute(mine.values(owner=identity.owner, seen_at=now_ms()))
            return ProcessReport(name, identity.role, row.samples)
    raise AssertionError


def _is_free(identity: ProcessIdentity, owner: str) -> bool:
    return identity.is_only_one or identity.has_ended(owner)


def _forget(connection: Connection) -> None:
    # Locked rows are skipped, so that two reports at once do not wait for each other.
    old = select(TELEMETRY.c.process).where(TELEMETRY.c.seen_at < now_ms() - round(KEPT_S * 1000))
    ended = connection.execute(old.with_for_update(skip_locked=True)).scalars().all()
    if ended:
        connection.execute(delete(TELEMETRY).where(TELEMETRY.c.process.in_(ended)))


def _put(connection: Connection, process: str, row: dict[str, str | None]) -> bool:
    columns = {**row, "seen_at": now_ms()}
    mine = TELEMETRY.c.owner.is_not_distinct_from(row["owner"])
    changed = connection.execute(
        update(TELEMETRY).where(TELEMETRY.c.process == process, mine).values(columns)
    )
    if changed.rowcount:
        return True
    return _inserted(connection, process, columns)


def _inserted(connection: Connection, process: str, columns: Mapping[str, Any]) -> bool:
    """Insert a row; return whether there was none."""
    new = insert_or_ignore(connection, TELEMETRY).values(process=process, **columns)
    # The drivers do not tell the number of rows of an INSERT.
    return connection.execute(new.returning(TELEMETRY.c.process)).one_or_none() is not None
