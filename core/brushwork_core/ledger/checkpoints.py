"""How far trainings are: what their next attempt goes on from, and their curves for whoever looks.

No transition of a job knows of it. It is written by the attempt that runs, guarded by its fence, and swept
away once the job has ended; the curve stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_schemas.states import JobState
from sqlalchemy import Connection, Delete, delete, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, TENANT_FILES, TRAININGS
from brushwork_core.database.upsert import insert_or_ignore, upsert
from brushwork_core.ledger.transitions import holds

ROLE = "resume"
_ENDED = [state for state in JobState if state.is_terminal]


@dataclass(frozen=True)
class JobCheckpoint:
    """How far a training is: epochs done, how well each went, and its checkpoint's name if there is one."""

    epoch: int
    curve: tuple[Epoch, ...]
    checkpoint: str | None


class JobCheckpoints:
    """Reads and writes how far trainings are.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: str) -> JobCheckpoint | None:
        """How far that job is; None where it has not finished an epoch."""
        columns = (TRAININGS.c.epoch, TRAININGS.c.curve, TRAININGS.c.checkpoint)
        with self._database.reading() as connection:
            row = connection.execute(select(*columns).where(TRAININGS.c.job_id == job_id)).one_or_none()
        return None if row is None else JobCheckpoint(row.epoch, read_curve(row.curve), row.checkpoint)

    def note(
        self, job_id: str, fence: int, curve: Sequence[Epoch], checkpoint: Artifact
    ) -> tuple[str, ...] | None:
        """Write what a running attempt has reached, and link its checkpoint in place of the one before.

        All of it is one transaction, so that the next attempt finds curve and checkpoint of one epoch.

        Args:
            job_id: Which job.
            fence: Of the attempt's claim.
            curve: All epochs so far.
            checkpoint: Stored already.

        Returns:
            Names of files that nobody refers to any more; None where the lease is lost, and nothing changed.
        """
        row = {
            "fence": fence,
            "epoch": len(curve),
            "curve": [epoch.model_dump(mode="json") for epoch in curve],
            "checkpoint": checkpoint.sha256,
        }
        return self._database.write(lambda connection: _noted(connection, job_id, fence, row, checkpoint))

    def sweep(self) -> tuple[str, ...]:
        """Let go of the checkpoints of jobs that have ended, however they did.

        Returns:
            Names of files that nobody refers to any more.
        """
        left = (
            select(TRAININGS.c.job_id)
            .join(JOBS, JOBS.c.id == TRAININGS.c.job_id)
            .where(TRAININGS.c.checkpoint.is_not(None), JOBS.c.state.in_(_ENDED))
        )
        with self._database.reading() as connection:
            job_ids = connection.execute(left).scalars().all()
        return self._database.write(lambda connection: _let_go(connection, job_ids)) if job_ids else ()


def read_curve(stored: Sequence[dict[str, Any]]) -> tuple[Epoch, ...]:
    """A curve as the table holds it."""
    return tuple(Epoch.model_validate(epoch) for epoch in stored)


def _noted(
    connection: Connection, job_id: str, fence: int, row: dict[str, Any], checkpoint: Artifact
) -> tuple[str, ...] | None:
    # Locked, so that nobody reaps the job between this look and the commit.
    if connection.execute(select(JOBS.c.id).where(holds(job_id, fence)).with_for_update()).first() is None:
        return None
    upsert(connection, TRAININGS, {"job_id": job_id}, row)
    known = insert_or_ignore(connection, ARTIFACTS).values(created_at=now_ms())
    connection.execute(known, checkpoint.model_dump())
    link = {"job_id": job_id, "sha256": checkpoint.sha256, "role": ROLE}
    connection.execute(insert_or_ignore(connection, JOB_ARTIFACTS), link)
    return _unlinked(connection, job_id, but=checkpoint.sha256)


def _let_go(connection: Connection, job_ids: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for job_id in job_ids:
        names += _unlinked(connection, job_id)
        mine = update(TRAININGS).where(TRAININGS.c.job_id == job_id)
        connection.execute(mine.values(checkpoint=None))
    return tuple(names)


def _unlinked(connection: Connection, job_id: str, *, but: str = "") -> tuple[str, ...]:
    """Take the links of a job's checkpoints away, and forget those files that nothing else refers to."""
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
