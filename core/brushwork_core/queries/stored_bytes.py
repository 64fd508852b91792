"""How many bytes the stored files of a tenant take: what it has uploaded, and the files of its jobs."""

from sqlalchemy import func, select, union

from brushwork_core.database.database import Database
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, TENANT_FILES


class StoredBytes:
    """Adds up the sizes of files. A file counts once for a tenant, however many of its jobs use it.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, tenant: str) -> int:
        """Return the bytes of a tenant's files. It reads an index row for each file of each job."""
        uploaded = select(TENANT_FILES.c.sha256).where(TENANT_FILES.c.tenant == tenant)
        of_jobs = (
            select(JOB_ARTIFACTS.c.sha256)
            .join(JOBS, JOBS.c.id == JOB_ARTIFACTS.c.job_id)
            .where(JOBS.c.tenant == tenant)
        )
        names = union(uploaded, of_jobs).subquery()
        total = select(func.coalesce(func.sum(ARTIFACTS.c.size_bytes), 0)).where(
            ARTIFACTS.c.sha256.in_(select(names.c.sha256))
        )
        with self._database.reading() as connection:
            return int(connection.execute(total).scalar_one())
