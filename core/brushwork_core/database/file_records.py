"""Record stored files in the database, so that a job or an upload can refer to them.

A file is stored first and recorded afterwards. In between, the deletion of another job may remove it, if that
job was the last one that referred to the same bytes. `record_files` notices this, and a file is only removed
inside of `kept_unrecorded`, while nobody can record it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import ArtifactMissing
from brushwork_schemas.wording.phrase import said
from sqlalchemy import Connection, delete, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, TENANT_FILES
from brushwork_core.database.upsert import insert_or_ignore

# Returns whether the store has a file of this name.
IsStored = Callable[[str], bool]
# A record is removed at most once while this process waits for it, unless files are deleted all the time.
MOST_ROUNDS = 5


def trusted(sha256: str) -> bool:
    """Return True. Ledgers without a store use this check where no file can be deleted meanwhile."""
    return True


def record_files(connection: Connection, artifacts: Iterable[Artifact], is_stored: IsStored) -> None:
    """Record files, so that links to them can be written by the same transaction.

    Args:
        connection: Open transaction.
        artifacts: The files, already stored.
        is_stored: Returns whether a file is in the store. Only new records are checked: an older one is
            locked here, so nobody removes its file.

    Raises:
        ArtifactMissing: A file was removed after it was stored. Store it again, and repeat the transaction.
    """
    rows = {artifact.sha256: _row(artifact) for artifact in artifacts}
    if not rows:
        return
    # Always in the same order, so that two transactions that share files cannot deadlock.
    names = sorted(rows)
    insert = insert_or_ignore(connection, ARTIFACTS).values(created_at=now_ms())
    new: set[str] = set()
    for _ in range(MOST_ROUNDS):
        added = connection.execute(insert.returning(ARTIFACTS.c.sha256), [rows[name] for name in names])
        new.update(added.scalars())
        if _locked(connection, names) == names:
            break
    missing = [name for name in names if name in new and not is_stored(name)]
    if missing:
        raise ArtifactMissing(
            said(
                "Artifact {name} was removed from the store with the last job that used it.", name=missing[0]
            ),
            hint="Submit the file itself again.",
        )


def remove_records(connection: Connection, names: Iterable[str]) -> list[str]:
    """Remove the records of files that neither a job nor an upload refers to, and return their names.

    Args:
        connection: Open transaction.
        names: Names of files.
    """
    in_order = sorted(set(names))
    # Locked before the links are read, so that no other transaction adds a link in between.
    locked = select(ARTIFACTS.c.sha256).where(ARTIFACTS.c.sha256.in_(in_order))
    connection.execute(locked.order_by(ARTIFACTS.c.sha256).with_for_update())
    referred = (
        select(table.c.sha256).where(table.c.sha256 == ARTIFACTS.c.sha256).exists()
        for table in (JOB_ARTIFACTS, TENANT_FILES)
    )
    orphans = delete(ARTIFACTS).where(ARTIFACTS.c.sha256.in_(in_order), *(~each for each in referred))
    return sorted(connection.execute(orphans.returning(ARTIFACTS.c.sha256)).scalars())


@contextmanager
def kept_unrecorded(database: Database, name: str) -> Iterator[bool]:
    """Keep others from recording a file, and yield whether it has no record.

    Whoever records it meanwhile waits, and then sees whether the file is still stored.
    """
    placeholder = _row(Artifact(sha256=name, media_type="", size_bytes=0))
    try:
        with database.writing() as connection:
            insert = insert_or_ignore(connection, ARTIFACTS).values(created_at=now_ms(), **placeholder)
            yield bool(connection.execute(insert.returning(ARTIFACTS.c.sha256)).first())
            # The row was only a lock.
            raise _Undone
    except _Undone:
        pass


class _Undone(Exception):
    """Rolls the transaction back."""


def _row(artifact: Artifact) -> dict[str, Any]:
    """The columns of a file. What else is known of a picture stands in the result that has it."""
    return {name: value for name, value in artifact.model_dump().items() if name in ARTIFACTS.c}


def _locked(connection: Connection, names: list[str]) -> list[str]:
    """Lock the records against removal, and return the names of those that exist."""
    found = select(ARTIFACTS.c.sha256).where(ARTIFACTS.c.sha256.in_(names)).order_by(ARTIFACTS.c.sha256)
    return list(connection.execute(found.with_for_update(read=True, key_share=True)).scalars())
