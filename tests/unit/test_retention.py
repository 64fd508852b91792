"""What `prune` removes, and what it must leave."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from brushwork.cli.duration import seconds
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, RESULTS, TENANT_FILES
from brushwork_core.files import artifact_store
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.retention import Pruned, Retention
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import InvalidRequest
from sqlalchemy import update

from tests.clients import png
from tests.jobs import KIND, claimed, count, result_of
from tests.s3_server import Bucket

if TYPE_CHECKING:
    # This class of obstore exists only for type checkers.
    from obstore import ObjectMeta

DAY_S = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def stored(store: ArtifactStore, tmp_path: Path) -> Callable[..., Artifact]:
    """Store a picture of that grey, two hours ago unless told otherwise."""

    def put(grey: int, *, hours_ago: float = 2.0) -> Artifact:
        artifact = store.put_picture(png(f"#{grey:02x}{grey:02x}{grey:02x}"))
        file = tmp_path / "artifacts" / artifact.sha256[:2] / artifact.sha256
        moment = file.stat().st_mtime - hours_ago * 3600
        os.utime(file, (moment, moment))
        return artifact

    return put


def ended(
    database: Database, ledger: Ledger, job_id: str, days_ago: float, *pictures: Artifact, **options: Any
) -> None:
    ledger.submit([NewJob(job_id, KIND, "m", "label", {"prompt": "x"}, inputs=pictures[:1], **options)])
    ledger.complete(job_id, claimed(ledger, job_id).fence, result_of(1), pictures[1:])
    with database.writing() as connection:
        moment = now_ms() - round(days_ago * DAY_S * 1000)
        connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(finished_at=moment))


def test_old_jobs_go_with_all_that_is_theirs_alone(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore, stored: Callable[..., Artifact]
) -> None:
    shared, own, kept = stored(1), stored(2), stored(3)
    ended(database, ledger, "old", 31, shared, own)
    ended(database, ledger, "young", 29, shared, kept)
    pruned = Retention(database, store).prune(30 * DAY_S)
    assert (pruned.num_jobs, pruned.num_files, pruned.num_bytes) == (1, 1, own.size_bytes)
    assert [job.id for job in index.list()] == ["young"]
    assert [store.has(each.sha256) for each in (shared, own, kept)] == [True, False, True]
    assert (count(database, RESULTS), count(database, ARTIFACTS), count(database, JOB_ARTIFACTS)) == (1, 2, 2)


def test_jobs_go_when_their_own_time_is_over(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore
) -> None:
    for name, retention_s in (("at-once", 0.0), ("day", DAY_S), ("month", 30 * DAY_S), ("any", None)):
        ended(database, ledger, name, 2, retention_s=retention_s)
    assert Retention(database, store).prune(dry_run=True).num_jobs == 2
    assert Retention(database, store).prune().num_jobs == 2
    assert {job.id for job in index.list()} == {"month", "any"}
    assert Retention(database, store).prune(DAY_S).num_jobs == 2


def test_a_time_of_its_own_ends_no_job(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore
) -> None:
    ledger.submit([NewJob("waits", KIND, "m", "label", {"prompt": "x"}, retention_s=0.0)])
    assert Retention(database, store).prune().num_jobs == 0
    assert [job.id for job in index.list()] == ["waits"]


def test_without_an_age_what_was_brought_stays(
    database: Database, store: ArtifactStore, stored: Callable[..., Artifact]
) -> None:
    brought, orphan = stored(1, hours_ago=1000), stored(2)
    TenantFiles(database).record_upload("a", brought)
    assert Retention(database, store).prune().num_files == 1
    assert [store.has(each.sha256) for each in (brought, orphan)] == [True, False]


def test_jobs_that_have_not_ended_stay_however_old(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore
) -> None:
    ledger.submit([NewJob(name, KIND, "m", "label", {"prompt": "x"}) for name in ("waits", "runs")])
    claimed(ledger, "runs")
    assert Retention(database, store).prune(0.0).num_jobs == 0
    assert len(index.list()) == 2


def test_a_job_whose_end_is_still_to_be_told_stays(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore
) -> None:
    told = NewJob("told", KIND, "m", "label", {"prompt": "x"}, webhook_url="https://example.org/hook")
    ledger.submit([told])
    ledger.cancel("told")
    with database.writing() as connection:
        connection.execute(update(JOBS).values(finished_at=1))
    assert Retention(database, store).prune(DAY_S).num_jobs == 0
    with database.writing() as connection:
        connection.execute(update(WEBHOOK_EVENTS).values(next_try_at=None))
    assert Retention(database, store).prune(DAY_S).num_jobs == 1
    assert index.list() == []


def test_a_file_without_a_job_goes_once_it_is_old(
    database: Database, store: ArtifactStore, stored: Callable[..., Artifact]
) -> None:
    old, young = stored(1), stored(2, hours_ago=0.0)
    assert Retention(database, store).prune(DAY_S).num_files == 1
    assert [store.has(each.sha256) for each in (old, young)] == [False, True]


def test_a_file_that_is_stored_again_counts_as_new(
    database: Database, store: ArtifactStore, stored: Callable[..., Artifact]
) -> None:
    artifact = stored(1)
    store.put(store.get(artifact.sha256))
    assert Retention(database, store).prune(DAY_S).num_files == 0
    assert store.has(artifact.sha256)


def test_a_dry_run_removes_nothing(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore, stored: Callable[..., Artifact]
) -> None:
    ended(database, ledger, "old", 31)
    orphan = stored(1)
    pruned = Retention(database, store).prune(30 * DAY_S, dry_run=True)
    assert (pruned.num_jobs, pruned.num_files) == (1, 1)
    assert store.has(orphan.sha256)
    assert len(index.list()) == 1


def test_a_dry_run_counts_what_the_real_run_removes(
    database: Database, ledger: Ledger, store: ArtifactStore, stored: Callable[..., Artifact]
) -> None:
    expect_the_same_of_a_dry_run(database, ledger, store, stored)


def test_a_dry_run_counts_what_the_real_run_removes_from_s3(
    sqlite_url: str, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, database, moments = ArtifactStore(s3_bucket.url), Database(sqlite_url), dict[str, Any]()
    is_older = artifact_store._is_older

    def is_that_old(file: "ObjectMeta", seconds: float) -> bool:
        # A file that was stored again has another time.
        moment, age_s = moments.get(file["path"].rsplit("/", 1)[-1], (None, 0.0))
        return is_older(file, seconds - age_s if moment == file["last_modified"] else seconds)

    def put(grey: int, *, hours_ago: float = 2.0) -> Artifact:
        artifact = store.put_picture(png(f"#{grey:02x}{grey:02x}{grey:02x}"))
        found = store._found(artifact.sha256)
        assert found is not None
        moments[artifact.sha256] = (found["last_modified"], hours_ago * 3600)
        return artifact

    monkeypatch.setattr(artifact_store, "_is_older", is_that_old)
    expect_the_same_of_a_dry_run(database, Ledger(database, lease_s=600), store, put)
    assert len(s3_bucket.names()) == 6
    database.close()


def expect_the_same_of_a_dry_run(
    database: Database, ledger: Ledger, store: ArtifactStore, stored: Callable[..., Artifact]
) -> None:
    tenants = TenantFiles(database)
    uploads: list[tuple[Artifact, float]] = []

    def uploaded(grey: int, days_ago: float) -> Artifact:
        artifact = stored(grey)
        tenants.record_upload("a", artifact)
        uploads.append((artifact, days_ago))
        return artifact

    shared = stored(1)
    # An upload that an old job used goes with it; one that a young job uses too, or a young upload, stays.
    ended(database, ledger, "old", 31, uploaded(2, 31), stored(3), shared)
    ended(database, ledger, "old too", 32, uploaded(4, 1), stored(5), stored(6))
    ended(database, ledger, "young", 29, shared, stored(7))
    ended(database, ledger, "own time", 2, stored(8), stored(9), retention_s=DAY_S)
    ended(database, ledger, "long time", 2, stored(10), retention_s=30 * DAY_S)
    uploaded(11, 40), uploaded(12, 3), stored(13), stored(14, hours_ago=0.0)
    with database.writing() as connection:
        for artifact, days_ago in uploads:
            moment = now_ms() - round(days_ago * DAY_S * 1000)
            named = TENANT_FILES.c.sha256 == artifact.sha256
            connection.execute(update(TENANT_FILES).where(named).values(created_at=moment))
    retention = Retention(database, store)
    # Without an age only the job with a time of its own goes, and the files of nobody.
    without_age = retention.prune(dry_run=True)
    assert (without_age.num_jobs, without_age.num_files) == (1, 3)
    told = retention.prune(30 * DAY_S, dry_run=True)
    assert (told.num_jobs, told.num_files) == (3, 8)
    assert retention.prune(30 * DAY_S, dry_run=True) == told
    assert retention.prune(30 * DAY_S) == told
    assert retention.prune(30 * DAY_S, dry_run=True) == Pruned(0, 0, 0) == retention.prune(30 * DAY_S)


def test_files_that_were_not_removed_are_not_counted(
    database: Database, store: ArtifactStore, stored: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    again, gone = stored(1), stored(2)
    remove = ArtifactStore.remove_if_old

    def meanwhile(store: ArtifactStore, sha256: str, older_than_s: float) -> bool:
        if sha256 == again.sha256:
            store.put(store.get(sha256))
        return remove(store, sha256, older_than_s)

    monkeypatch.setattr(ArtifactStore, "remove_if_old", meanwhile)
    assert Retention(database, store).prune() == Pruned(0, 1, gone.size_bytes)
    assert store.has(again.sha256)


def test_many_jobs_go_in_several_transactions(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore
) -> None:
    names = [f"job-{number}" for number in range(1200)]
    ledger.submit([NewJob(name, KIND, "m", "label", {"prompt": "x"}) for name in names])
    with database.writing() as connection:
        connection.execute(update(JOBS).values(state="canceled", finished_at=1))
    assert Retention(database, store).prune(DAY_S).num_jobs == 1200
    assert index.list() == []


@pytest.mark.parametrize(("text", "length"), [("30d", 30 * DAY_S), ("1.5 h", 5400.0), ("90min", 5400.0)])
def test_lengths_of_time(text: str, length: float) -> None:
    assert seconds(text, "older-than") == length


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1 year"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a duration"):
        seconds(text, "older-than")
