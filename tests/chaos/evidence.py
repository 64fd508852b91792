"""What is left behind when a fault is over: the record, the tables, the history, the journal, the files."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import JOB_ARTIFACTS, JOBS, RESULTS
from sqlalchemy import Table, select

from tests.chaos.history import Move, moves
from tests.chaos.journal import Journal, Note
from tests.chaos.record import Record

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """Read once, after all is settled."""

    record: Record
    jobs: Mapping[str, Row]
    results: Mapping[str, Row]
    events: Sequence[Row]
    outputs: set[tuple[str, str]]
    moves: Mapping[str, Sequence[Move]]
    begun: Sequence[Note]
    files: Path


def gather(record: Record, database: Database, journal: Journal, files: Path) -> Evidence:
    """Everything there is."""
    by_job = defaultdict(list)
    for move in moves(database):
        by_job[move.job_id].append(move)
    links = _rows(database, JOB_ARTIFACTS)
    return Evidence(
        record=record,
        jobs={row["id"]: row for row in _rows(database, JOBS)},
        results={row["job_id"]: row for row in _rows(database, RESULTS)},
        events=_rows(database, WEBHOOK_EVENTS),
        outputs={(link["job_id"], link["sha256"]) for link in links if link["role"] == "output"},
        moves=by_job,
        begun=journal.notes("begun"),
        files=files,
    )


def _rows(database: Database, table: Table) -> Sequence[Row]:
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]
