"""What `prune` removes, and what it must leave."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from brushwork.cli.duration import seconds
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, RESULTS, WEBHOOK_EVENTS
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.retention import Retention
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import InvalidRequest
from sqlalchemy import update

from tests.clients import png
from tests.jobs import KIND, claimed, count, result_of

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
