"""Backup and restore under load, in short: `python -m tests.backup` runs all combinations with more jobs."""

from pathlib import Path

import pytest

from tests.backup.copies import S3, Folder, PostgresDatabase, SqliteFile
from tests.backup.rehearsal import Rehearsal, rehearse
from tests.s3_server import S3Server
from tests.servers import PostgresServer, postgres_programs

BEFORE, BETWEEN = 12, 4


def expect_whole(found: Rehearsal) -> None:
    # The copy was made under load, or it shows nothing.
    assert found.num_open >= 1
    assert found.num_jobs > BEFORE
    assert found.num_succeeded == found.num_jobs
    assert found.wrong_files == ()


@pytest.mark.usefixtures("s3_bucket")
def test_sqlite_and_s3_are_restored_with_all_jobs_and_files(tmp_path: Path, s3_server: S3Server) -> None:
    found = rehearse(tmp_path, SqliteFile(tmp_path), S3(s3_server), num_before=BEFORE, num_between=BETWEEN)
    expect_whole(found)
    assert found.damaged == ()


def test_postgresql_and_a_folder_lack_the_files_of_jobs_deleted_between_the_copies_alone(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    programs = postgres_programs()
    assert programs is not None
    database = PostgresDatabase(postgres_server, programs, "rehearsal")
    found = rehearse(
        tmp_path, database, Folder(tmp_path), num_before=BEFORE, num_between=BETWEEN, num_deleted=1
    )
    expect_whole(found)
    assert len(found.damaged) == 1
