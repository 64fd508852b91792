"""The credentials that the pictures of a job had when they were handed in."""

from collections.abc import Iterable

from brushwork_core.database.database import Database
from brushwork_core.database.picture_credentials import credentials_of_job


class InputCredentials:
    """Finds the files with the credentials of pictures.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_job(self, job_id: str, pictures: Iterable[str]) -> dict[str, str]:
        """Return the names of files with credentials, by the names of the pictures that had them.

        Args:
            job_id: Id of the job.
            pictures: Names of its pictures.
        """
        with self._database.reading() as connection:
            return credentials_of_job(connection, job_id, pictures)
