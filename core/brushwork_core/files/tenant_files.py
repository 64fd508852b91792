"""Files of tenants: a tenant may read the files that it has uploaded, and the files of its jobs."""

from brushwork_schemas.artifact import Artifact, is_sha256
from brushwork_schemas.errors import FileNotFound
from brushwork_schemas.wording.phrase import said
from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.file_records import IsStored, record_files, trusted
from brushwork_core.database.picture_credentials import files_with_credentials, record_credentials
from brushwork_core.database.review_table import HELD_ROLE
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, TENANT_FILES
from brushwork_core.database.upsert import insert_or_ignore

_COLUMNS = (*(ARTIFACTS.c[name] for name in ("sha256", "media_type", "size_bytes", "width", "height")),)


class TenantFiles:
    """Stores which tenant a file belongs to. The bytes are in the artifact store.

    Args:
        database: Database of the ledger.
        is_stored: Returns whether the store has a file, for files that no job refers to.
    """

    def __init__(self, database: Database, is_stored: IsStored = trusted) -> None:
        self._database = database
        self._is_stored = is_stored

    def record_upload(self, tenant: str, artifact: Artifact) -> None:
        """Record an upload of a tenant. A repeated upload renews its age.

        Raises:
            ArtifactMissing: The file was removed after it was stored, with the last job that used it.
        """

        def write(connection: Connection) -> None:
            files = files_with_credentials([artifact])
            record_files(connection, files, self._is_stored)
            for file in files:
                entry = {"tenant": tenant, "sha256": file.sha256}
                new = insert_or_ignore(connection, TENANT_FILES).values(created_at=now_ms())
                connection.execute(new, entry)
                again = update(TENANT_FILES).where(*(TENANT_FILES.c[name] == entry[name] for name in entry))
                connection.execute(again.values(created_at=now_ms()))
            record_credentials(connection, tenant, [artifact])

        self._database.write(write)

    def get(self, sha256: str, tenant: str | None) -> Artifact:
        """Return a file, if the tenant may read it.

        Args:
            sha256: Name of the file. Any text is allowed.
            tenant: Tenant of the caller; None may read every file, but none that has only held results.

        Raises:
            FileNotFound: No file has this name, or it belongs to other tenants.
        """
        conditions = [ARTIFACTS.c.sha256 == sha256]
        if tenant is None:
            conditions.append(~_is_linked(HELD_ROLE) | _is_linked() | _is_uploaded())
        else:
            conditions.append(or_(_uploaded_by(tenant), _of_a_job_of(tenant)))
        row = None
        # Checked first, because PostgreSQL raises an error for some texts.
        if is_sha256(sha256):
            with self._database.reading() as connection:
                row = connection.execute(select(*_COLUMNS).where(*conditions)).mappings().one_or_none()
        if row is None:
            raise FileNotFound(said("There is no file {sha256}.", sha256=ascii(sha256)[:80]), field="sha256")
        return Artifact(**row)


def remove_old_entries(connection: Connection, older_than_ms: int) -> int:
    """Remove old uploads, unless a job refers to the file, and return their number."""
    return connection.execute(delete(TENANT_FILES).where(is_old_entry(older_than_ms), ~_has_job())).rowcount


def is_old_entry(older_than_ms: int) -> ColumnElement[bool]:
    """Return the condition that an upload is older than this."""
    return TENANT_FILES.c.created_at < now_ms() - older_than_ms


def _has_job() -> ColumnElement[bool]:
    return select(JOB_ARTIFACTS.c.sha256).where(JOB_ARTIFACTS.c.sha256 == TENANT_FILES.c.sha256).exists()


def _uploaded_by(tenant: str) -> ColumnElement[bool]:
    entry = (TENANT_FILES.c.sha256 == ARTIFACTS.c.sha256, TENANT_FILES.c.tenant == tenant)
    return select(TENANT_FILES.c.sha256).where(*entry).exists()


def _of_a_job_of(tenant: str) -> ColumnElement[bool]:
    link = (JOB_ARTIFACTS.c.sha256 == ARTIFACTS.c.sha256, JOB_ARTIFACTS.c.job_id == JOBS.c.id)
    served = JOB_ARTIFACTS.c.role != HELD_ROLE
    return select(JOBS.c.id).where(*link, served, JOBS.c.tenant == tenant).exists()


def _is_linked(role: str | None = None) -> ColumnElement[bool]:
    """Condition: a job has the file in this role; None for any role in which it may be read."""
    is_role = JOB_ARTIFACTS.c.role != HELD_ROLE if role is None else JOB_ARTIFACTS.c.role == role
    linked = select(JOB_ARTIFACTS.c.sha256).where(JOB_ARTIFACTS.c.sha256 == ARTIFACTS.c.sha256, is_role)
    return linked.exists()


def _is_uploaded() -> ColumnElement[bool]:
    return select(TENANT_FILES.c.sha256).where(TENANT_FILES.c.sha256 == ARTIFACTS.c.sha256).exists()
