"""Metrics of all processes, stored in the database, so that one `/metrics` can return them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import TELEMETRY
from brushwork_core.database.upsert import upsert

LOGGER = logging.getLogger(__name__)
# A process without a report for this time has ended, and its metrics have been scraped.
KEPT_S = 3600.0


@dataclass(frozen=True)
class ProcessReport:
    """The last report of a process.

    Args:
        process: Name of the process, unique for each start.
        role: `worker`, `sender` or `gateway`.
        samples: Metrics in the Prometheus text format.
    """

    process: str
    role: str
    samples: str


class ProcessReports:
    """Stores and returns reports. A report that cannot be written is dropped, and never fails its process.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_failing = False

    def report(self, process: str, role: str, samples: str) -> bool:
        """Replace the report of a process. Return whether it was written."""
        try:
            self._database.write(lambda connection: _put(connection, process, role, samples))
        except Exception as error:
            if not self._is_failing:
                LOGGER.warning("The metrics of this process cannot be written: %s", error)
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def live(self, within_s: float) -> Sequence[ProcessReport]:
        """Return the reports of the last `within_s` seconds, ordered by the name of the process."""
        since = now_ms() - round(within_s * 1000)
        statement = select(TELEMETRY).where(TELEMETRY.c.seen_at >= since).order_by(TELEMETRY.c.process)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return [ProcessReport(row.process, row.role, row.samples) for row in rows]


def _put(connection: Connection, process: str, role: str, samples: str) -> None:
    # Locked rows are skipped, so that two reports at once do not wait for each other.
    old = select(TELEMETRY.c.process).where(TELEMETRY.c.seen_at < now_ms() - round(KEPT_S * 1000))
    ended = connection.execute(old.with_for_update(skip_locked=True)).scalars().all()
    if ended:
        connection.execute(delete(TELEMETRY).where(TELEMETRY.c.process.in_(ended)))
    columns = {"role": role, "seen_at": now_ms(), "samples": samples}
    upsert(connection, TELEMETRY, {"process": process}, columns)
