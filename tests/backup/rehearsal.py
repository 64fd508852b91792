"""Backs a deployment up under load, loses it, restores it elsewhere, and checks every job and file."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.artifact import artifacts_within
from brushwork_schemas.errors import ArtifactMissing
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState

from tests.backup.copies import DatabaseKind, StoreKind
from tests.backup.site import Load, Site, ids_of
from tests.fork_server.client import fork_server
from tests.servers import wait_until
from tests.worker_process import environment


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal has found.

    Args:
        database: Name of the sort of database.
        store: Name of the sort of store.
        num_jobs: Jobs in the copy of the database.
        num_open: Those of them that were queued or running.
        num_deleted: Jobs that were deleted between the two copies.
        database_s: Seconds for the copy of the database.
        files_s: Seconds for the copy of the files.
        settled_s: Seconds from the first restored worker that was ready until no job was open.
        num_succeeded: Jobs that had succeeded in the end.
        num_files: Files that the restored database names, before its first worker started.
        damaged: Those of them that `brushwork check-files --content` named, by their jobs.
        wrong_files: Files of jobs that had succeeded in the end which are missing or have another SHA-256,
            without those of deleted jobs.
        max_attempts: The most attempts that a job needed.
    """

    database: str
    store: str
    num_jobs: int
    num_open: int
    num_deleted: int
    database_s: float
    files_s: float
    settled_s: float
    num_succeeded: int
    num_files: int
    damaged: tuple[str, ...]
    wrong_files: tuple[str, ...]
    max_attempts: int

    @property
    def is_whole(self) -> bool:
        """Whether all jobs succeeded and only files of jobs that were deleted meanwhile are missing."""
        return (
            self.num_succeeded == self.num_jobs
            and not self.wrong_files
            and len(self.damaged) == self.num_deleted
        )


def rehearse(
    folder: Path,
    database: DatabaseKind,
    store: StoreKind,
    *,
    num_before: int,
    num_between: int,
    num_deleted: int = 0,
    num_workers: int = 2,
    per_second: float = 20.0,
) -> Rehearsal:
    """Make a backup under load, database first and then files, and restore it.

    Args:
        folder: Empty.
        database: The sort of database.
        store: The sort of store.
        num_before: Jobs that have succeeded before the copies begin.
        num_between: Jobs that succeed between the two copies.
        num_deleted: Succeeded jobs that are deleted between the two copies, which an operator must not do.
        num_workers: Workers of each site.
        per_second: Jobs that are submitted in a second, all the time.
    """
    copy, files = folder / "database.copy", store.new("copy")
    live = Site(
        folder / "live", fork_server(), name="live",
        database_url=database.new(), artifacts_url=store.new("live"),
    )  # fmt: skip
    with live:
        live.start_workers(num_workers)
        with Load(live.client, per_second) as load:
            _wait_succeeded(live, num_before)
            began = time.monotonic()
            database.copy(live.settings.database_url.get_secret_value(), copy)
            database_s = time.monotonic() - began
            deleted = _deleted(live, num_deleted)
            _wait_succeeded(live, live.states()["succeeded"] + num_between)
            began = time.monotonic()
            store.copy(live.settings.artifacts_url, files)
            files_s = time.monotonic() - began
            load.stop()
        live.kill_workers()
    elsewhere = Site(
        folder / "restored", fork_server(), name="restored",
        database_url=database.restored(copy), artifacts_url=files,
    )  # fmt: skip
    with elsewhere:
        states = elsewhere.states()
        checked = check_files_command(elsewhere)
        elsewhere.start_workers(num_workers)
        began = time.monotonic()
        elsewhere.settle()
        settled_s = time.monotonic() - began
        jobs = [elsewhere.client.get(each) for each in ids_of(elsewhere.database, ["succeeded", "failed"])]
        return Rehearsal(
            database=database.name,
            store=store.name,
            num_jobs=states.total(),
            num_open=states["queued"] + states["running"],
            num_deleted=len(deleted),
            database_s=database_s,
            files_s=files_s,
            settled_s=settled_s,
            num_succeeded=sum(job.state == JobState.SUCCEEDED for job in jobs),
            num_files=checked["num_files"],
            damaged=tuple(job for file in checked["damaged"] for job in file["job_ids"]),
            wrong_files=tuple(_wrong(elsewhere, [job for job in jobs if job.id not in deleted])),
            max_attempts=max(job.attempt for job in jobs),
        )


def check_files_command(site: Site) -> dict[str, Any]:
    """What `brushwork check-files --content --json` prints about a site."""
    command = [sys.executable, "-m", "brushwork", "check-files", "--content", "--json"]
    ran = subprocess.run(
        command, env={**os.environ, **environment(site.settings)}, capture_output=True, text=True, check=False
    )
    if ran.returncode not in (0, 3):
        raise AssertionError(f"check-files ended with {ran.returncode}: {ran.stderr}")
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def _wait_succeeded(site: Site, number: int) -> None:
    wait_until(
        lambda: site.states()["succeeded"] >= number,
        bound_s=600,
        what=f"{number} succeeded jobs",
        look_s=0.1,
    )


def _deleted(site: Site, number: int) -> set[str]:
    painted = [
        job for job in ids_of(site.database, ["succeeded"]) if site.client.get(job).kind == "text-to-image"
    ]
    for job_id in painted[:number]:
        site.client.delete(job_id)
    return set(painted[:number])


def _wrong(site: Site, jobs: Sequence[Job]) -> Iterator[str]:
    """Inputs and outputs of these jobs that the store lacks, or has with another content."""
    store = ArtifactStore(site.settings.artifacts_url)
    for job in jobs:
        brought = getattr(job.request, "image", None)
        names = {file.sha256 for file in artifacts_within(job.result)} | ({brought} if brought else set())
        for name in names:
            try:
                is_right = hashlib.sha256(store.get(name)).hexdigest() == name
            except ArtifactMissing:
                is_right = False
            if not is_right:
                yield name
