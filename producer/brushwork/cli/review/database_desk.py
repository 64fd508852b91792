"""Held results in the database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from brushwork_core.audit.audit_log import AuditAction, AuditLog, Record
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.ledger.held_results import HeldResult, HeldResults
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import artifacts_within

from brushwork.cli.connection import open_database
from brushwork.cli.review.review_desk import PendingReview, ReviewDesk, ReviewFile


@contextmanager
def database_desk() -> Iterator[ReviewDesk]:
    """Open the database and the store of the settings.

    Raises:
        ServiceMisconfigured: No database is named.
    """
    with open_database() as database:
        yield DatabaseDesk(database, ArtifactStore(Settings.load().artifacts_url))


class DatabaseDesk(ReviewDesk):
    """Reads and writes the ledger.

    Args:
        database: Database of the ledger.
        store: Store of files.
    """

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._audit, self._store = AuditLog(database), store
        self._held_results = HeldResults(database, UnusedFiles(database, store).remove)

    def list(self, limit: int) -> Sequence[PendingReview]:
        """Read the oldest ones."""
        found = self._held_results.list(limit)
        self._note_read(found)
        return [_review(each) for each in found]

    def get(self, job_id: str) -> PendingReview:
        """Read one."""
        found = self._held_results.get(job_id)
        self._note_read([found])
        return _review(found)

    def content(self, job_id: str, file: ReviewFile) -> tuple[bytes, str]:
        """Read the file from the store."""
        return self._store.get(file.sha256), file.media_type or ""

    def release(self, job_id: str) -> None:
        """Write the release."""
        self._held_results.release(job_id)

    def refuse(self, job_id: str, reason: str) -> None:
        """Write the refusal, and remove the files."""
        self._held_results.refuse(job_id, reason)

    def _note_read(self, found: Sequence[HeldResult]) -> None:
        """Record that a person on the command line reads results of tenants."""
        records = [Record(AuditAction.JOB_READ, (each.job.id,), each.job.tenant or None) for each in found]
        self._audit.add(*records)


def _review(held: HeldResult) -> PendingReview:
    shown = {"id", "kind", "model", "tenant", "request", "result"}
    fields = held.job.model_dump(mode="json", include=shown)
    fields |= {"policy": held.policy, "reason": held.reason, "since": held.since.isoformat()}
    files = [ReviewFile(each.sha256, each.media_type) for each in artifacts_within(held.job.result)]
    return PendingReview(fields, tuple(files))
