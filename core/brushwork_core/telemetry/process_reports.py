"""What every process has counted since it began, kept where one /metrics can show all of it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import TELEMETRY
from brushwork_core.database.upsert import upsert

LOGGER = logging.getLogger(__name__)
# Whoever was not heard of for so long has ended, and what it counted has long been read.
KEPT_S = 3600.0


@dataclass(frozen=True)
class ProcessReport:
    """What a process said last.

    Args:
        process: Its name, of this life only.
        role: worker, sender or gateway.
        samples: In Prometheus' text format.
    """

    process: str
    role: str
    samples: str


class ProcessReports:
    """Takes and gives reports. Never hurts who reports: what can't be written is dropped.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_silent = False

    def report(self, process: str, role: str, samples: str) -> bool:
        """Put this in place of what the process said before; whether it was written."""
        try:
            self._database.write(lambda connection: _put(connection, process, role, samples))
        except Exception as error:
            if not self._is_silent:
                LOGGER.warning("What this process counts is not shown until it can be written: %s", error)
            self._is_silent = True
            return False
        self._is_silent = False
        return True

    def live(self, within_s: float) -> Sequence[ProcessReport]:
        """The reports of all that were heard of within so many seconds, by name."""
        since = now_ms() - round(within_s * 1000)
        statement = select(TELEMETRY).where(TELEMETRY.c.seen_at >= since).order_by(TELEMETRY.c.process)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return [ProcessReport(row.process, row.role, row.samples) for row in rows]


def _put(connection: Connection, process: str, role: str, samples: str) -> None:
    # Two that report at once are not to wait for each other's leftovers.
    old = select(TELEMETRY.c.process).where(TELEMETRY.c.seen_at < now_ms() - round(KEPT_S * 1000))
    ended = connection.execute(old.with_for_update(skip_locked=True)).scalars().all()
    if ended:
        connection.execute(delete(TELEMETRY).where(TELEMETRY.c.process.in_(ended)))
    columns = {"role": role, "seen_at": now_ms(), "samples": samples}
    upsert(connection, TELEMETRY, {"process": process}, columns)
