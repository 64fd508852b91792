"""What the maintenance of the ledger has to do now, in one query: if nothing is due, nothing is written."""

from dataclasses import dataclass
from typing import Any

from brushwork_schemas.states import JobState
from sqlalchemy import ColumnElement, Executable, Table, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import JOBS, PREVIEWS, TRAININGS, WORKERS, in_state, is_dispatched


@dataclass(frozen=True)
class DueMaintenance:
    """Which kinds of maintenance have something to do.

    Args:
        overdue: Whether the deadline of a queued job has passed.
        lapsed: Whether the lease of a running job has expired.
        previews: Whether a job has a preview and does not run.
        checkpoints: Whether a job has a checkpoint file and has ended.
        silent: Whether a worker had no heartbeat for so long that the registry forgets it.
        dispatched: Whether a queued job has a message of its own, which only older programs send.
    """

    overdue: bool
    lapsed: bool
    previews: bool
    checkpoints: bool
    silent: bool
    dispatched: bool


class MaintenanceQuery:
    """Reads what is due.

    Args:
        database: Database of the ledger.
        forget_after_s: Seconds without a heartbeat after which a worker is forgotten.
    """

    def __init__(self, database: Database, *, forget_after_s: float) -> None:
        self._database = database
        self._due = _due(forget_after_s)

    def due(self) -> DueMaintenance:
        """Return what is due.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        with self._database.reading() as connection:
            flags = connection.execute(self._due).mappings().one()
        return DueMaintenance(**{name: bool(flag) for name, flag in flags.items()})


def _due(forget_after_s: float) -> Executable:
    state_of_preview, state_of_training = (_state_of(table) for table in (PREVIEWS, TRAININGS))
    return select(
        _found(
            JOBS.c.deadline_at, in_state(JobState.QUEUED), JOBS.c.deadline_at <= now_ms()
        ).label("overdue"),
        _found(
            JOBS.c.worker, in_state(JobState.RUNNING), JOBS.c.lease_expires_at < now_ms()
        ).label("lapsed"),
        _found(JOBS.c.kind, is_dispatched()).label("dispatched"),
        _found(PREVIEWS.c.job_id, state_of_preview != JobState.RUNNING.value).label("previews"),
        _found(
            TRAININGS.c.job_id, TRAININGS.c.checkpoint.is_not(None), state_of_training.in_(_ENDED)
        ).label("checkpoints"),
        _found(WORKERS.c.name, WORKERS.c.seen_at < now_ms() - round(1000 * forget_after_s)).label("silent"),
    )  # fmt: skip


def _found(first: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a row meets the conditions. `first` is the first column of the index that has these rows.

    Not an EXISTS, whose order PostgreSQL drops: expecting to meet such a row soon, it might read all jobs.
    """
    return select(first).where(*conditions).order_by(first).limit(1).scalar_subquery().is_not(None)


def _state_of(table: Table) -> Any:
    return select(JOBS.c.state).where(JOBS.c.id == table.c.job_id).correlate(table).scalar_subquery()


_ENDED = [state.value for state in JobState if state.is_terminal]
