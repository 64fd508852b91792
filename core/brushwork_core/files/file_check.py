"""Checks that each file that the database names is in the store, for example after a restore."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from brushwork_schemas.errors import ArtifactMissing
from sqlalchemy import ColumnElement, or_, select

from brushwork_core.database.database import Database
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, TENANT_FILES
from brushwork_core.files.artifact_store import ArtifactStore, StoredFile

FILES_AT_ONCE = 500
# A store on another machine answers many questions at the same time.
QUESTIONS_AT_ONCE = 16


class Damage(StrEnum):
    """What is wrong with a file."""

    MISSING = "missing"
    WRONG_SIZE = "wrong size"
    WRONG_CONTENT = "wrong content"


@dataclass(frozen=True)
class DamagedFile:
    """A file that the store does not have as it was stored.

    Args:
        sha256: Its name.
        damage: What is wrong with it.
        job_ids: The jobs that refer to it; empty for an upload that no job uses.
    """

    sha256: str
    damage: Damage
    job_ids: tuple[str, ...]


@dataclass(frozen=True)
class FileCheck:
    """What a check has found.

    Args:
        num_files: Number of files that jobs refer to or tenants have uploaded.
        num_bytes: Their size in bytes, as the database has it.
        damaged: Those that are not as they should be.
    """

    num_files: int
    num_bytes: int
    damaged: tuple[DamagedFile, ...]


def check_files(database: Database, store: ArtifactStore, *, content: bool = False) -> FileCheck:
    """Check each file that a job refers to or that a tenant has uploaded.

    Jobs may be submitted, run and deleted meanwhile.

    Args:
        database: Database of the ledger.
        store: The artifact store.
        content: Read each file and compare its SHA-256; otherwise only its size is compared.

    Raises:
        ServiceUnreachable: Database or store do not answer.
    """
    # A wrong bucket must not look well because the database names no file yet.
    store.expect_reachable()
    num_files = num_bytes = 0
    damaged: list[DamagedFile] = []
    with ThreadPoolExecutor(QUESTIONS_AT_ONCE) as threads:
        for files in _named(database):
            num_files += len(files)
            num_bytes += sum(file.size_bytes for file in files)
            found = threads.map(lambda file: _damage(store, file, content=content), files)
            wrong = {file.sha256: damage for file, damage in zip(files, found, strict=True) if damage}
            damaged += _still_named(database, wrong)
    return FileCheck(num_files, num_bytes, tuple(damaged))


def _named(database: Database) -> Iterator[list[StoredFile]]:
    last = ""
    while True:
        some = (
            select(ARTIFACTS.c.sha256, ARTIFACTS.c.size_bytes)
            .where(ARTIFACTS.c.sha256 > last, _is_named())
            .order_by(ARTIFACTS.c.sha256)
            .limit(FILES_AT_ONCE)
        )
        with database.reading() as connection:
            files = [StoredFile(*row) for row in connection.execute(some)]
        if not files:
            return
        yield files
        last = files[-1].sha256


def _is_named() -> ColumnElement[bool]:
    return or_(
        *(
            select(table.c.sha256).where(table.c.sha256 == ARTIFACTS.c.sha256).exists()
            for table in (JOB_ARTIFACTS, TENANT_FILES)
        )
    )


def _damage(store: ArtifactStore, file: StoredFile, *, content: bool) -> Damage | None:
    size_bytes = store.size_bytes(file.sha256)
    if size_bytes is None:
        return Damage.MISSING
    if size_bytes != file.size_bytes:
        return Damage.WRONG_SIZE
    if not content:
        return None
    hashed = hashlib.sha256()
    try:
        for piece in store.stream(file.sha256, 0, size_bytes) if size_bytes else ():
            hashed.update(piece)
    except ArtifactMissing:
        return Damage.MISSING
    return None if hashed.hexdigest() == file.sha256 else Damage.WRONG_CONTENT


def _still_named(database: Database, wrong: dict[str, Damage]) -> Iterator[DamagedFile]:
    """Leave out files that were removed meanwhile with the last job that used them."""
    named = select(ARTIFACTS.c.sha256).where(ARTIFACTS.c.sha256.in_(wrong), _is_named())
    links = select(JOB_ARTIFACTS.c.sha256, JOB_ARTIFACTS.c.job_id).where(JOB_ARTIFACTS.c.sha256.in_(wrong))
    with database.reading() as connection:
        names = set(connection.execute(named).scalars()) if wrong else set()
        jobs = sorted({(row.sha256, row.job_id) for row in connection.execute(links)}) if wrong else []
    for sha256, damage in wrong.items():
        if sha256 in names:
            yield DamagedFile(sha256, damage, tuple(job for name, job in jobs if name == sha256))
