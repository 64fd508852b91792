"""Rehearse backup and restore under load, on both databases and both stores: `python -m tests.backup`.

For each combination it runs a deployment under load, copies the database and then the files, kills all,
restores both elsewhere with an empty Redis, and checks each job and each file. `--deleted 3` also deletes
three jobs between the copies, which is what an operator must not do: exactly their files are then missing.
"""

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.backup.copies import S3, DatabaseKind, Folder, PostgresDatabase, SqliteFile, StoreKind
from tests.backup.rehearsal import Rehearsal, rehearse
from tests.s3_server import S3Server, s3_environment
from tests.servers import PostgresServer, postgres_programs

HEAD = (
    "| database | store | jobs in the copy | of them open | files | damaged | succeeded in the end "
    "| wrong files | attempts | database s | files s | open jobs ended s |"
)


def line(found: Rehearsal) -> str:
    """A row of the table."""
    damaged = f"{len(found.damaged)} of {found.num_deleted} deleted" if found.num_deleted else "0"
    if not found.num_deleted and found.damaged:
        damaged = str(len(found.damaged))
    values = (
        found.database, found.store, found.num_jobs, found.num_open, found.num_files, damaged,
        found.num_succeeded, len(found.wrong_files), found.max_attempts,
        f"{found.database_s:.2f}", f"{found.files_s:.2f}", f"{found.settled_s:.1f}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, values))} |"


def main() -> int:
    """Run all combinations, and return 1 if a job or a file was lost in one of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=100, help="that have succeeded before the copies")
    parser.add_argument("--deleted", type=int, default=0, help="jobs deleted between the copies")
    parser.add_argument("--per-second", type=float, default=20.0, help="jobs that are submitted in a second")
    chosen = parser.parse_args()
    programs = postgres_programs()
    if programs is None:
        print("There is no PostgreSQL server here (Debian: apt-get install postgresql).", file=sys.stderr)
        return 2
    found: list[Rehearsal] = []
    with ExitStack() as stack:
        s3, postgres = S3Server(), PostgresServer(programs)
        stack.callback(s3.stop)
        stack.callback(postgres.stop)
        s3.start()
        postgres.start()
        os.environ.update(s3_environment(s3.endpoint))
        print(HEAD, "|---" * 12 + "|", sep="\n", flush=True)
        for number in range(4):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            database: DatabaseKind = (
                SqliteFile(folder) if number < 2 else PostgresDatabase(postgres, programs, f"backup{number}")
            )
            store: StoreKind = Folder(folder) if number % 2 == 0 else S3(s3)
            found.append(
                rehearse(
                    folder, database, store,
                    num_before=chosen.jobs, num_between=chosen.jobs // 5, num_deleted=chosen.deleted,
                    per_second=chosen.per_second,
                )
            )  # fmt: skip
            print(line(found[-1]), flush=True)
    return 0 if all(each.is_whole for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
