"""Deletes single jobs with all that belongs to them, as soon as a caller asks."""

from brushwork_schemas.errors import JobNotEnded, JobNotFound
from brushwork_schemas.job import checked_id
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from sqlalchemy import delete, select

from brushwork_core.audit.audit_log import AuditAction, AuditLog, Record, record
from brushwork_core.database.database import Database
from brushwork_core.database.file_records import remove_records
from brushwork_core.database.tables import JOB_ARTIFACTS, JOBS
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.unused_files import UnusedFiles


class JobDeletion:
    """Deletes jobs that have ended. It may run beside workers and clients.

    Args:
        database: Database of the ledger.
        store: The artifact store.
    """

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._unused = UnusedFiles(database, store)

    def delete(self, job_id: str, tenant: str | None = None) -> None:
        """Delete a job, and the files that no other job and no upload refers to.

        The rows that refer to the job go with it: its result, idempotency key, webhook events, previews and
        checkpoints. A file that can't be removed now is left for `brushwork prune`; nothing refers to it.

        Args:
            job_id: Id of the job.
            tenant: Only a job of this tenant is deleted; None deletes jobs of all tenants.

        Raises:
            JobNotFound: No job has this id, or it belongs to another tenant.
            JobNotEnded: The job has not ended.
        """
        try:
            unused = self._without_job(checked_id(job_id), tenant)
        except JobNotEnded as error:
            refused = Record(AuditAction.JOB_DELETED, (job_id,), tenant, error.code)
            AuditLog(self._database).add(refused)
            raise
        self._unused.remove(unused)

    def _without_job(self, job_id: str, tenant: str | None) -> list[str]:
        """Delete the rows of the job, and return the names of the files that nothing refers to now."""
        found = select(JOBS.c.state, JOBS.c.tenant).where(JOBS.c.id == job_id).with_for_update()
        linked = select(JOB_ARTIFACTS.c.sha256).where(JOB_ARTIFACTS.c.job_id == job_id)
        with self._database.writing() as connection:
            job = connection.execute(found).one_or_none()
            if job is None or tenant not in (None, job.tenant):
                raise JobNotFound(said("There is no job {job_id!r}.", job_id=job_id), field="id")
            if not JobState(job.state).is_terminal:
                raise JobNotEnded(
                    said(
                        "Job {id} is {state}. Only a job that has ended can be deleted.",
                        id=job_id,
                        state=job.state,
                    ),
                    hint="Cancel it first, and wait until it has ended.",
                )
            names = connection.execute(linked).scalars().all()
            connection.execute(delete(JOBS).where(JOBS.c.id == job_id))
            record(connection, Record(AuditAction.JOB_DELETED, (job_id,), job.tenant))
            return remove_records(connection, names)
