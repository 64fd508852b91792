"""Retention: removes old jobs, and files that no job refers to."""

from collections.abc import Iterator
from dataclasses import dataclass

from brushwork_schemas.states import JobState
from sqlalchemy import ColumnElement, Connection, Select, and_, column, delete, func, or_, select

from brushwork_core.audit.audit_log import AuditAction, AuditLog, Record, record
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.outbox_tables import CELERY_TASKS, WEBHOOK_EVENTS, is_task_end_due
from brushwork_core.database.review_table import is_told_later
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, TENANT_FILES
from brushwork_core.files.artifact_store import ArtifactStore, StoredFile
from brushwork_core.files.tenant_files import is_old_entry, remove_old_entries

# A file is stored before the job that refers to it, so files younger than this are kept.
UNCLAIMED_S = 3600.0
JOBS_AT_ONCE = 1000
FILES_AT_ONCE = 500
_TERMINAL = [state for state in JobState if state.is_terminal]


@dataclass(frozen=True)
class Pruned:
    """Numbers of removed jobs, files, bytes, and records of the audit log. Of a dry run: what would be."""

    num_jobs: int
    num_files: int
    num_bytes: int
    num_audit_records: int = 0


class Retention:
    """Removes old jobs and files. It may run beside workers and clients, and may be interrupted.

    Args:
        database: Database of the ledger.
        store: The artifact store.
        audit_days: Age from which records of the audit log are removed, in days; None keeps them.
    """

    def __init__(self, database: Database, store: ArtifactStore, audit_days: float | None = None) -> None:
        self._database = database
        self._store = store
        self._audit_days = audit_days

    def prune(self, older_than_s: float | None = None, *, dry_run: bool = False) -> Pruned:
        """Remove old jobs, and files that no job refers to.

        A job with an open webhook event is kept until the event is delivered or dead, and a job with Celery
        callbacks until they are sent. An uploaded file
        without a job is removed `older_than_s` after its upload.

        Args:
            older_than_s: Seconds since the end of a job. None removes only jobs whose own `retention_s` is
                over.
            dry_run: Only count what would be removed, with the files of these jobs and old uploads.
        """
        are_due = (
            [_is_past_retention()] if older_than_s is None else [_is_past_retention(), _is_old(older_than_s)]
        )
        num_files = num_bytes = 0
        if dry_run:
            num_jobs = self._count(or_(*are_due))
            found = self._unclaimed(_Staying(or_(*are_due), older_than_s))
        else:
            num_jobs = sum(map(self._remove_jobs, are_due))
            if older_than_s is not None:
                self._remove_uploads(older_than_s)
            found = map(self._removed, self._unclaimed(_Claims()))
        for files in found:
            num_files += len(files)
            num_bytes += sum(file.size_bytes for file in files)
        return Pruned(num_jobs, num_files, num_bytes, self._prune_audit_log(dry_run=dry_run))

    def _prune_audit_log(self, *, dry_run: bool) -> int:
        if self._audit_days is None:
            return 0
        log = AuditLog(self._database)
        return log.num_older(self._audit_days) if dry_run else log.prune(self._audit_days)

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
                gone = connection.execute(delete(JOBS).where(JOBS.c.id.in_(some)).returning(JOBS.c.id))
                names = gone.scalars().all()
                if names:
                    record(connection, Record(AuditAction.JOBS_PRUNED, names))
            count = len(names)
            removed += count
            if count < JOBS_AT_ONCE:
                return removed

    def _remove_uploads(self, older_than_s: float) -> None:
        with self._database.writing() as connection:
            if number := remove_old_entries(connection, round(older_than_s * 1000)):
                record(connection, Record(AuditAction.UPLOADS_PRUNED, detail={"number": number}))

    def _unclaimed(self, claims: "_Claims") -> Iterator[list[StoredFile]]:
        for files in self._store.old_files(UNCLAIMED_S, FILES_AT_ONCE):
            names = [file.sha256 for file in files]
            with self._database.reading() as connection:
                claimed = claims.among(connection, names)
            if unclaimed := [file for file in files if file.sha256 not in claimed]:
                yield unclaimed

    def _removed(self, files: list[StoredFile]) -> list[StoredFile]:
        names = [file.sha256 for file in files]
        referred = (
            select(table.c.sha256).where(table.c.sha256 == ARTIFACTS.c.sha256).exists()
            for table in (JOB_ARTIFACTS, TENANT_FILES)
        )
        orphans = delete(ARTIFACTS).where(ARTIFACTS.c.sha256.in_(names), *(~each for each in referred))
        with self._database.writing() as connection:
            connection.execute(orphans)
            # Checked again inside the write transaction: a new job may refer to one of them.
            claimed = _Claims().among(connection, names)
        return [
            file
            for file in files
            if file.sha256 not in claimed and self._store.remove_if_old(file.sha256, UNCLAIMED_S)
        ]


class _Claims:
    """Which files are claimed: by a job that refers to them, or by a tenant that has uploaded them."""

    def among(self, connection: Connection, names: list[str]) -> set[str]:
        """Return those of `names` that are claimed."""
        return {
            name
            for claimed in (self._by_jobs(), self._by_tenants())
            for name in connection.execute(claimed.where(column("sha256").in_(names))).scalars()
        }

    def _by_jobs(self) -> Select[str]:
        return select(JOB_ARTIFACTS.c.sha256)

    def _by_tenants(self) -> Select[str]:
        return select(TENANT_FILES.c.sha256)


class _Staying(_Claims):
    """Which files would still be claimed after old jobs and old uploads are removed.

    Args:
        are_due: Condition of the jobs that would be removed.
        older_than_s: Age in seconds of the uploads that would be removed; None if none would be.
    """

    def __init__(self, are_due: ColumnElement[bool], older_than_s: float | None) -> None:
        leaving = select(JOBS.c.id).where(are_due, *_is_removable())
        self._stays = JOB_ARTIFACTS.c.job_id.not_in(leaving)
        self._older_than_s = older_than_s

    def _by_jobs(self) -> Select[str]:
        return super()._by_jobs().where(self._stays)

    def _by_tenants(self) -> Select[str]:
        if self._older_than_s is None:
            return super()._by_tenants()
        return super()._by_tenants().where(~is_old_entry(round(self._older_than_s * 1000)))


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
    # What is told after a review keeps no job either: a held result may be as old as any other.
    is_due = is_task_end_due() & ~is_told_later()
    unsent = select(CELERY_TASKS.c.job_id).where(
        CELERY_TASKS.c.job_id == JOBS.c.id, CELERY_TASKS.c.message.is_not(None), is_due
    )
    return JOBS.c.state.in_(_TERMINAL), ~open_event.exists(), ~unsent.exists()
