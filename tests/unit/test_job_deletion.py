"""Deleted jobs: what goes with them, what stays, and who stores the same file at the same time."""

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from brushwork.direct_client import DirectClient
from brushwork.transports.backend import Backend
from brushwork_core.database.database import Database
from brushwork_core.database.tables import ARTIFACTS, JOBS, METADATA
from brushwork_core.files import job_deletion
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.job_deletion import JobDeletion
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.ledger import Ledger, NewJob, WriteOutcome
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ArtifactMissing, InvalidImage, JobNotEnded, JobNotFound
from sqlalchemy import func, select

from tests import jobs
from tests.clients import png
from tests.jobs import begun
from tests.servers import wait_until

NUMBERS = itertools.count()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def deletion(database: Database, store: ArtifactStore) -> JobDeletion:
    return JobDeletion(database, store)


@pytest.fixture
def ledger(database: Database, store: ArtifactStore) -> Ledger:
    return Ledger(database, lease_s=600, is_stored=store.has)


def new_job(**options: Any) -> NewJob:
    """A job with an id of its own."""
    return replace(jobs.new_job(str(next(NUMBERS))), **options)


def canceled(ledger: Ledger, **options: Any) -> str:
    """The id of a job that has ended."""
    job = new_job(**options)
    ledger.submit([job])
    ledger.cancel(job.id)
    return job.id


def num_rows(database: Database) -> dict[str, int]:
    """Numbers of rows of all tables that have any."""
    with database.reading() as connection:
        counted = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in METADATA.sorted_tables
        }
    return {name: number for name, number in counted.items() if number}


def test_nothing_of_a_job_is_left(database: Database, ledger: Ledger, deletion: JobDeletion) -> None:
    before = num_rows(database)
    job = new_job(webhook_url="https://backend.example/x", idempotency_key="k", request_sha256="0" * 64)
    ledger.submit([job])
    fence = begun(ledger, job.id)
    assert ledger.stop(job.id, fence) is WriteOutcome.APPLIED
    assert num_rows(database)["webhook_events"] == 1
    deletion.delete(job.id)
    # Only that it was deleted is known: docs/security.md.
    assert num_rows(database) == {**before, "audit_events": 1}


def test_a_job_of_another_tenant_is_not_found(ledger: Ledger, deletion: JobDeletion) -> None:
    job_id = canceled(ledger, tenant="mine")
    for unknown in ("none", "a\0b", "", "x" * 65):
        with pytest.raises(JobNotFound):
            deletion.delete(unknown)
    with pytest.raises(JobNotFound, match=job_id):
        deletion.delete(job_id, "other")
    deletion.delete(job_id, "mine")
    with pytest.raises(JobNotFound):
        deletion.delete(job_id)


def test_a_file_that_is_stored_again_before_its_row_is_gone_is_stored_once_more(
    database: Database, store: ArtifactStore, ledger: Ledger, deletion: JobDeletion
) -> None:
    picture = store.put_picture(png())
    first = canceled(ledger, inputs=(picture,))
    # A second submit stores the file: it is there already. Then the first job is deleted.
    assert store.put_picture(png()) == picture
    deletion.delete(first)
    second = new_job(inputs=(picture,))
    with pytest.raises(ArtifactMissing, match=picture.sha256):
        ledger.submit([second])
    assert "jobs" not in num_rows(database)
    store.put_picture(png())
    ledger.submit([second])
    assert store.get(picture.sha256) == png()


@pytest.mark.parametrize("link", ["upload", "result"])
def test_each_way_to_record_a_file_notices_that_it_is_gone(
    database: Database, store: ArtifactStore, ledger: Ledger, deletion: JobDeletion, link: str
) -> None:
    picture = store.put_picture(png())
    ledger.submit([job := new_job()])
    fence = begun(ledger, job.id)
    first = canceled(ledger, inputs=(picture,))
    ways: dict[str, Callable[[], object]] = {
        "upload": lambda: TenantFiles(database, store.has).record_upload("", picture),
        "result": lambda: ledger.complete(job.id, fence, {}, [picture]),
    }
    deletion.delete(first)
    with pytest.raises(ArtifactMissing):
        ways[link]()
    store.put_picture(png())
    ways[link]()
    assert store.has(picture.sha256)


def test_a_file_that_is_recorded_after_its_row_has_gone_is_kept(
    database: Database, store: ArtifactStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = store.put_picture(png())
    first = canceled(ledger, inputs=(picture,))

    class Slow(UnusedFiles):
        """Between the row and the file of a deleted job, another job is written."""

        def remove(self, names: Iterable[str]) -> None:
            ledger.submit([new_job(inputs=(picture,))])
            super().remove(names)

    monkeypatch.setattr(job_deletion, "UnusedFiles", Slow)
    JobDeletion(database, store).delete(first)
    assert store.get(picture.sha256) == png()


def test_who_records_a_file_waits_while_it_is_removed(database: Database, store: ArtifactStore) -> None:
    picture = store.put_picture(png())
    recording = Ledger(database, lease_s=600, is_stored=store.has)
    first = canceled(recording, inputs=(picture,))

    class Watched(ArtifactStore):
        """While it removes a file, another thread begins to record it."""

        def remove_if_old(self, sha256: str, older_than_s: float) -> None:
            written = threads.submit(recording.submit, [new_job(inputs=(picture,))])
            with pytest.raises(TimeoutError):
                written.result(timeout=0.2)
            waiting.append(written)
            super().remove_if_old(sha256, older_than_s)

    waiting: list[Any] = []
    with ThreadPoolExecutor(1) as threads:
        watched = Watched.__new__(Watched)
        watched.__dict__.update(store.__dict__)
        JobDeletion(database, watched).delete(first)
        with pytest.raises(ArtifactMissing):
            waiting[0].result(timeout=30)
    assert not store.has(picture.sha256)


def test_clients_that_submit_and_delete_one_picture_lose_nothing(database_url: str, tmp_path: Path) -> None:
    settings = Settings(
        redis_url="redis://127.0.0.1:9/0", database_url=database_url, artifacts_url=str(tmp_path / "files")
    )
    backend, submitted = Backend.opened(settings), []
    with DirectClient(settings, backend) as client:

        def submit() -> None:
            for _ in range(40):
                submitted.append(client.submit("image-to-text", image=png()))
                # Once it is canceled it may be deleted, before its last state is read.
                with suppress(JobNotFound):
                    client.cancel(submitted[-1])

        with ThreadPoolExecutor(1) as threads:
            submitting = threads.submit(submit)
            for number in range(40):
                wait_until(lambda: len(submitted) > number or submitting.done(), what="a job")  # noqa: B023
                wait_until(lambda: client.get(submitted[number]).is_finished, what="its end")  # noqa: B023
                client.delete(submitted[number])
                with backend.database.reading() as connection:
                    num_jobs = connection.execute(select(func.count()).select_from(JOBS)).scalar_one()
                    files = connection.execute(select(ARTIFACTS.c.sha256)).scalars().all()
                # A job whose row is there has its file.
                assert not num_jobs or all(backend.store.has(name) for name in files)
            submitting.result(timeout=30)
        picture = submitted[-1].request.image
        assert not backend.store.has(picture)
        with pytest.raises(InvalidImage, match="not in this store"):
            client.submit("image-to-text", image=picture)
    backend.close()


def test_a_job_that_has_not_ended_is_refused(ledger: Ledger, deletion: JobDeletion) -> None:
    ledger.submit([job := new_job()])
    with pytest.raises(JobNotEnded, match="queued"):
        deletion.delete(job.id)
    begun(ledger, job.id)
    with pytest.raises(JobNotEnded, match="running"):
        deletion.delete(job.id)
