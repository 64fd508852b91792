"""Retention: removes old jobs, and files that no job refers to."""

from collections.abc import Iterator
from dataclasses import dataclass

from brushwork_schemas.states import JobState
from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import (
    ARTIFACTS,
    CELERY_TASKS,
    JOB_ARTIFACTS,
    JOBS,
    TENANT_FILES,
    WEBHOOK_EVENTS,
    is_task_end_due,
)
from brushwork_core.files.artifact_store import ArtifactStore, StoredFile
from brushwork_core.files.tenant_files import remove_old_entries

# A file is stored before the job that refers to it, so files younger than this are kept.
UNCLAIMED_S = 3600.0
JOBS_AT_ONCE = 1000
FILES_AT_ONCE = 500
_TERMINAL = [state for state in JobState if state.is_terminal]


@dataclass(frozen=True)
class Pruned:
    """Numbers of removed jobs, files and bytes; of a dry run, what would be removed."""

    num_jobs: int
    num_files: int
    num_bytes: int


class Retention:
    """Removes old jobs and files. It may run beside workers and clients, and may be interrupted.

    Args:
        database: Database of the ledger.
        store: The artifact store.
    """

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._store = store

    def prune(self, older_than_s: float | None = None, *, dry_run: bool = False) -> Pruned:
        """Remove old jobs, and files that no job refers to.

        A job with an open webhook event is kept until the event is delivered or dead, and a job with Celery
        callbacks until they are sent. An uploaded file
        without a job is removed `older_than_s` after its upload.

        Args:
            older_than_s: Seconds since the end of a job. None removes only jobs whose own `retention_s` is
                over.
            dry_run: Only count. Files of the counted jobs, and uploads, are not included then.
        """
        are_due = (
            [_is_past_retention()] if older_than_s is None else [_is_past_retention(), _is_old(older_than_s)]
        )
        num_jobs = self._count(or_(*are_due)) if dry_run else sum(map(self._remove_jobs, are_due))
        if older_than_s is not None and not dry_run:
            with self._database.writing() as connection:
                remove_old_entries(connection, round(older_than_s * 1000))
        num_files = num_bytes = 0
        for files in self._unclaimed():
            num_files += len(files)
            num_bytes += sum(file.size_bytes for file in files)
            if not dry_run:
                self._remove_files(files)
        return Pruned(num_jobs, num_files, num_bytes)

    def _count(self, are_due: ColumnElement[bool]) -> int:
        counted = select(func.count()).select_from(JOBS).where(are_due, *_is_removable())
        with self._database.reading() as connection:
            return int(connection.execute(counted).scalar_one())

    def _remove_jobs(self, are_due: ColumnElement[bool]) -> int:
        removed = 0
        while True:
            # In small transactions: other writers wait less, and an interruption loses little.
            some = select(JOBS.c.id).where(are_due, *_is_removable()).limit(JOBS_AT_ONCE)
            with self._database.writing() as connection:
                count = connection.execute(delete(JOBS).where(JOBS.c.id.in_(some))).rowcount
            removed += count
            if count < JOBS_AT_ONCE:
                return removed

    def _unclaimed(self) -> Iterator[list[StoredFile]]:
        for files in self._store.old_files(UNCLAIMED_S, FILES_AT_ONCE):
            names = [file.sha256 for file in files]
            with self._database.reading() as connection:
                claimed = _claimed(connection, names)
            if unclaimed := [file for file in files if file.sha256 not in claimed]:
                yield unclaimed

    def _remove_files(self, files: list[StoredFile]) -> None:
        names = [file.sha256 for file in files]
        referred = (
            select(table.c.sha256).where(table.c.sha256 == ARTIFACTS.c.sha256).exists()
            for table in (JOB_ARTIFACTS, TENANT_FILES)
        )
        orphans = delete(ARTIFACTS).where(ARTIFACTS.c.sha256.in_(names), *(~each for each in referred))
        with self._database.writing() as connection:
            connection.execute(orphans)
            # Checked again inside the write transaction: a new job may refer to one of them.
            claimed = _claimed(connection, names)
        for name in names:
            if name not in claimed:
                self._store.remove_if_old(name, UNCLAIMED_S)


def _claimed(connection: Connection, names: list[str]) -> set[str]:
    """Names of files that a job refers to, or that a tenant has uploaded."""
    return {
        name
        for table in (JOB_ARTIFACTS, TENANT_FILES)
        for name in connection.execute(select(table.c.sha256).where(table.c.sha256.in_(names))).scalars()
    }


def _is_old(older_than_s: float) -> ColumnElement[bool]:
    return JOBS.c.finished_at < now_ms() - round(older_than_s * 1000)


def _is_past_retention() -> ColumnElement[bool]:
    """Condition: the `retention_s` of the job is over. Written as in the index."""
    return and_(JOBS.c.retention_s.is_not(None), JOBS.c.finished_at <= now_ms() - JOBS.c.retention_s * 1000)


def _is_removable() -> tuple[ColumnElement[bool], ...]:
    open_event = select(WEBHOOK_EVENTS.c.id).where(
        WEBHOOK_EVENTS.c.job_id == JOBS.c.id, WEBHOOK_EVENTS.c.next_try_at.is_not(None)
    )
    # Of a client's job only an event for Flower is open, which no one waits for.
    unsent = select(CELERY_TASKS.c.job_id).where(
        CELERY_TASKS.c.job_id == JOBS.c.id, CELERY_TASKS.c.message.is_not(None), is_task_end_due()
    )
    return JOBS.c.state.in_(_TERMINAL), ~open_event.exists(), ~unsent.exists()
