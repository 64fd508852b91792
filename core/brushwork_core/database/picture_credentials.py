"""Which file has the credentials that a picture had when a tenant handed it in: addition 0006."""

from collections.abc import Iterable

from brushwork_schemas.artifact import Artifact
from sqlalchemy import Connection, select

from brushwork_core.database.tables import JOBS, PICTURE_CREDENTIALS
from brushwork_core.database.upsert import upsert


def files_with_credentials(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return the files, and those that have their credentials."""
    return [
        found
        for artifact in artifacts
        for found in (artifact, artifact.credentials_file)
        if found is not None
    ]


def record_credentials(connection: Connection, tenant: str, artifacts: Iterable[Artifact]) -> None:
    """Record the credentials of pictures, which `record_files` has recorded. The last ones count.

    Args:
        connection: Open transaction.
        tenant: The tenant that sent the pictures.
        artifacts: The pictures.
    """
    pairs = {each.sha256: each.credentials_file for each in artifacts}
    # Always in the same order, so that two transactions cannot deadlock.
    for picture, credentials in sorted(pairs.items()):
        if credentials is not None:
            key = {"tenant": tenant, "picture": picture}
            upsert(connection, PICTURE_CREDENTIALS, key, {"credentials": credentials.sha256})


def credentials_of(connection: Connection, tenant: str, pictures: Iterable[str]) -> dict[str, str]:
    """Return the names of the files with credentials, by the name of the picture.

    Args:
        connection: Open transaction.
        tenant: The tenant that sent the pictures.
        pictures: Names of pictures.
    """
    found = select(PICTURE_CREDENTIALS.c.picture, PICTURE_CREDENTIALS.c.credentials).where(
        PICTURE_CREDENTIALS.c.tenant == tenant, PICTURE_CREDENTIALS.c.picture.in_(sorted(set(pictures)))
    )
    return {row.picture: row.credentials for row in connection.execute(found)}


def credentials_of_job(connection: Connection, job_id: str, pictures: Iterable[str]) -> dict[str, str]:
    """Return the same for the pictures of a job.

    Args:
        connection: Open transaction.
        job_id: Id of the job.
        pictures: Names of its pictures.
    """
    tenant = connection.execute(select(JOBS.c.tenant).where(JOBS.c.id == job_id)).scalar()
    return {} if tenant is None else credentials_of(connection, tenant, pictures)
