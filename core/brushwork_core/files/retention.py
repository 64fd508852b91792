"""What is kept for how long: ended jobs, and the files that no job refers to any more."""

from collections.abc import Iterator
from dataclasses import dataclass

from brushwork_schemas.states import JobState
from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, TENANT_FILES, WEBHOOK_EVENTS
from brushwork_core.files.artifact_store import ArtifactStore, StoredFile
from brushwork_core.files.tenant_files import remove_old_entries

# A file may be there before the job that refers to it; one that is stored again counts as new.
UNCLAIMED_S = 3600.0
JOBS_AT_ONCE = 1000
FILES_AT_ONCE = 500
_TERMINAL = [state for state in JobState if state.is_terminal]


@dataclass(frozen=True)
class Pruned:
    """How much was removed, or would be."""

    num_jobs: int
    num_files: int
    num_bytes: int


class Retention:
    """Removes what is old. Safe beside workers and clients, and to interrupt.

    Args:
        database: Where the jobs are.
        store: Where the files are.
    """

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._store = store

    def prune(self, older_than_s: float | None = None, *, dry_run: bool = False) -> Pruned:
        """Remove jobs that ended so long ago, or as their own `retention_s` says, and files without a job.

        A job whose end is still to be told by a webhook stays until then; a file that was uploaded by itself,
        until that is as long ago.

        Args:
            older_than_s: Seconds since their end; None is for those alone that say so themselves.
            dry_run: Only count. Files that only those jobs refer to are not counted then, nor uploads.
        """
        are_due = [_has_lived()] if older_than_s is None else [_has_lived(), _is_old(older_than_s)]
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
        counted = select(func.count()).select_from(JOBS).where(are_due, *_may_go())
        with self._database.reading() as connection:
            return int(connection.execute(counted).scalar_one())

    def _remove_jobs(self, are_due: ColumnElement[bool]) -> int:
        removed = 0
        while True:
            # A few at a time: nobody waits long for the database, and an interruption loses little.
            some = select(JOBS.c.id).where(are_due, *_may_go()).limit(JOBS_AT_ONCE)
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
            # Once more, now that nobody else writes: a job may have come to refer to one.
            claimed = _claimed(connection, names)
        for name in names:
            if name not in claimed:
                self._store.remove_if_old(name, UNCLAIMED_S)


def _claimed(connection: Connection, names: list[str]) -> set[str]:
    """Those that a job refers to, or that somebody has brought."""
    return {
        name
        for table in (JOB_ARTIFACTS, TENANT_FILES)
        for name in connection.execute(select(table.c.sha256).where(table.c.sha256.in_(names))).scalars()
    }


def _is_old(older_than_s: float) -> ColumnElement[bool]:
    return JOBS.c.finished_at < now_ms() - round(older_than_s * 1000)


def _has_lived() -> ColumnElement[bool]:
    """Whether a job was kept as long as its caller allowed; written as its index has it."""
    return and_(JOBS.c.retention_s.is_not(None), JOBS.c.finished_at <= now_ms() - JOBS.c.retention_s * 1000)


def _may_go() -> tuple[ColumnElement[bool], ...]:
    still_told = select(WEBHOOK_EVENTS.c.id).where(
        WEBHOOK_EVENTS.c.job_id == JOBS.c.id, WEBHOOK_EVENTS.c.next_try_at.is_not(None)
    )
    return JOBS.c.state.in_(_TERMINAL), ~still_told.exists()
