"""Whose a file is: a tenant's own, and those of its jobs; and what `prune` leaves of them."""

import os
from pathlib import Path

import pytest
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import ARTIFACTS, TENANT_FILES
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.retention import Retention
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import FileNotFound
from sqlalchemy import update

from tests.clients import png
from tests.jobs import count, new_job, picture

DAY_S = 86_400.0


@pytest.fixture
def files(database: Database) -> TenantFiles:
    return TenantFiles(database)


def stored_long_ago(folder: Path) -> tuple[ArtifactStore, Artifact]:
    store = ArtifactStore(str(folder))
    artifact = store.put_picture(png())
    os.utime(folder / artifact.sha256[:2] / artifact.sha256, (1, 1))
    return store, artifact


def make_old(database: Database, days: float) -> None:
    with database.writing() as connection:
        moment = now_ms() - round(days * DAY_S * 1000)
        connection.execute(update(TENANT_FILES).values(created_at=moment))


def test_who_brought_a_file_sees_it_and_others_do_not(files: TenantFiles) -> None:
    files.record_upload("a", picture("1"))
    assert files.get("1" * 64, "a") == picture("1")
    assert files.get("1" * 64, None) == picture("1")
    with pytest.raises(FileNotFound):
        files.get("1" * 64, "b")


def test_two_tenants_may_bring_the_same_file_and_each_may_do_it_twice(
    files: TenantFiles, database: Database
) -> None:
    for tenant in ("a", "b", "a"):
        files.record_upload(tenant, picture("1"))
    assert files.get("1" * 64, "b") == picture("1")
    assert (count(database, TENANT_FILES), count(database, ARTIFACTS)) == (2, 1)


def test_the_files_of_a_job_are_its_tenants(files: TenantFiles, ledger: Ledger) -> None:
    ledger.submit([new_job("job", inputs="2", tenant="a")])
    assert files.get("2" * 64, "a") == picture("2")
    with pytest.raises(FileNotFound):
        files.get("2" * 64, "b")


@pytest.mark.parametrize(
    "name", ["", "1" * 63, "1" * 65, "A" * 64, "../" * 20, "\0" * 64, "\ud800" * 64, "٣" * 64]
)
def test_what_is_no_name_of_a_file_is_not_found(files: TenantFiles, name: str) -> None:
    with pytest.raises(FileNotFound):
        files.get(name, None)


def test_prune_leaves_what_was_brought_lately(database: Database, files: TenantFiles, tmp_path: Path) -> None:
    store, artifact = stored_long_ago(tmp_path)
    files.record_upload("a", artifact)
    make_old(database, days=29)
    assert Retention(database, store).prune(30 * DAY_S).num_files == 0
    assert store.has(artifact.sha256)
    assert files.get(artifact.sha256, "a") == artifact


def test_prune_removes_what_was_brought_long_ago(
    database: Database, files: TenantFiles, tmp_path: Path
) -> None:
    store, artifact = stored_long_ago(tmp_path)
    files.record_upload("a", artifact)
    make_old(database, days=31)
    assert Retention(database, store).prune(30 * DAY_S).num_files == 1
    assert not store.has(artifact.sha256)
    assert (count(database, TENANT_FILES), count(database, ARTIFACTS)) == (0, 0)


def test_what_was_brought_again_counts_as_new(database: Database, files: TenantFiles, tmp_path: Path) -> None:
    store, artifact = stored_long_ago(tmp_path)
    files.record_upload("a", artifact)
    make_old(database, days=31)
    files.record_upload("a", artifact)
    assert Retention(database, store).prune(30 * DAY_S).num_files == 0


def test_prune_leaves_a_file_to_the_jobs_that_need_it(
    database: Database, files: TenantFiles, ledger: Ledger, tmp_path: Path
) -> None:
    store, artifact = stored_long_ago(tmp_path)
    files.record_upload("a", picture("3"))
    ledger.submit([new_job("job", inputs="3", tenant="b")])
    make_old(database, days=31)
    assert Retention(database, store).prune(30 * DAY_S).num_files == 1
    assert not store.has(artifact.sha256)
    assert files.get("3" * 64, "a") == picture("3")
