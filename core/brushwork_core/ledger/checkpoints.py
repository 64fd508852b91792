"""Checkpoints of jobs: the file that the next attempt resumes from, and a summary of it for clients.

A checkpoint is written by the running attempt, guarded by its fencing token, and removed once the job has
ended; the summary stays. The state transitions of a job do not read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.states import JobState
from sqlalchemy import JSON, Connection, Delete, delete, select, update

from brushwork_core.database.database import Database
from brushwork_core.database.file_records import IsStored, record_files, trusted
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, TENANT_FILES, TRAININGS
from brushwork_core.database.upsert import insert_or_ignore, upsert
from brushwork_core.ledger.records import WriteOutcome
from brushwork_core.ledger.transitions import holds

ROLE = "resume"
_ENDED = [state for state in JobState if state.is_terminal]
# Names of files that no job refers to any more, or the outcome that nothing was written.
Unlinked = tuple[str, ...] | Literal[WriteOutcome.LEASE_LOST]


@dataclass(frozen=True)
class JobCheckpoint:
    """The last checkpoint of a job.

    Args:
        summary: The JSON value that the handler saved with it. That of a training is its list of epochs.
        checkpoint: The artifact's name; None once the job has ended.
    """

    summary: Any
    checkpoint: str | None


class JobCheckpoints:
    """Reads and writes the checkpoints of jobs.

    Args:
        database: Database of the ledger.
        is_stored: Returns whether the store has a file, for files that no job refers to.
    """

    def __init__(self, database: Database, is_stored: IsStored = trusted) -> None:
        self._database = database
        self._is_stored = is_stored

    def get(self, job_id: str) -> JobCheckpoint | None:
        """The last checkpoint of that job; None if it has not saved one."""
        columns = (TRAININGS.c.curve, TRAININGS.c.checkpoint)
        with self._database.reading() as connection:
            row = connection.execute(select(*columns).where(TRAININGS.c.job_id == job_id)).one_or_none()
        return None if row is None else JobCheckpoint(row.curve, row.checkpoint)

    def note(self, job_id: str, fence: int, summary: Any, checkpoint: Artifact) -> Unlinked:
        """Write the checkpoint of a running attempt in place of the one before.

        Summary and file are written in one transaction, so that they always belong together.

        Args:
            job_id: The job.
            fence: The fencing token of the attempt's claim.
            summary: A JSON value that describes the checkpoint.
            checkpoint: The file, which is in the store already.

        Returns:
            Names of files that no job refers to any more; `LEASE_LOST` where nothing was written.

        Raises:
            ArtifactMissing: The file was removed after it was stored, with the last job that used it.
        """
        row = {
            "fence": fence,
            # The columns are named after the first kind that saved checkpoints.
            "epoch": len(summary) if isinstance(summary, list) else 0,
            # The column is not nullable, so None is stored as the JSON value null.
            "curve": JSON.NULL if summary is None else summary,
            "checkpoint": checkpoint.sha256,
        }
        return self._database.write(
            lambda connection: _noted(connection, job_id, fence, row, checkpoint, self._is_stored)
        )

    def sweep(self) -> tuple[str, ...]:
        """Release the checkpoint files of jobs that have ended.

        Returns:
            Names of files that no job refers to any more.
        """
        unswept = (
            select(TRAININGS.c.job_id)
            .join(JOBS, JOBS.c.id == TRAININGS.c.job_id)
            .where(TRAININGS.c.checkpoint.is_not(None), JOBS.c.state.in_(_ENDED))
        )
        with self._database.reading() as connection:
            job_ids = connection.execute(unswept).scalars().all()
        return self._database.write(lambda connection: _released(connection, job_ids)) if job_ids else ()


def _noted(
    connection: Connection,
    job_id: str,
    fence: int,
    row: dict[str, Any],
    checkpoint: Artifact,
    is_stored: IsStored,
) -> Unlinked:
    # Locked, so that the job is not reaped between this check and the commit.
    if connection.execute(select(JOBS.c.id).where(holds(job_id, fence)).with_for_update()).first() is None:
        return WriteOutcome.LEASE_LOST
    upsert(connection, TRAININGS, {"job_id": job_id}, row)
    record_files(connection, [checkpoint], is_stored)
    link = {"job_id": job_id, "sha256": checkpoint.sha256, "role": ROLE}
    connection.execute(insert_or_ignore(connection, JOB_ARTIFACTS), link)
    return _unlinked(connection, job_id, but=checkpoint.sha256)


def _released(connection: Connection, job_ids: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for job_id in job_ids:
        names += _unlinked(connection, job_id)
        mine = update(TRAININGS).where(TRAININGS.c.job_id == job_id)
        connection.execute(mine.values(checkpoint=None))
    return tuple(names)


def _unlinked(connection: Connection, job_id: str, *, but: str = "") -> tuple[str, ...]:
    """Remove the links to a job's checkpoint files; the names of files that nothing else refers to."""
    mine = (JOB_ARTIFACTS.c.job_id == job_id, JOB_ARTIFACTS.c.role == ROLE, JOB_ARTIFACTS.c.sha256 != but)
    taken = delete(JOB_ARTIFACTS).where(*mine).returning(JOB_ARTIFACTS.c.sha256)
    names = connection.execute(taken).scalars().all()
    return tuple(name for name in names if connection.execute(_orphan(name)).rowcount)


def _orphan(name: str) -> Delete:
    referred = (
        select(table.c.sha256).where(table.c.sha256 == ARTIFACTS.c.sha256).exists()
        for table in (JOB_ARTIFACTS, TENANT_FILES)
    )
    return delete(ARTIFACTS).where(ARTIFACTS.c.sha256 == name, *(~each for each in referred))
