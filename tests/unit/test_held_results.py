"""Held results in the ledger: who may read what, who is told when, and both ends of a review."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from brushwork_core.audit.audit_log import AuditFilter, AuditLog
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.job_deletion import JobDeletion
from brushwork_core.files.retention import Retention
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.ledger import CeleryMessage, Completion, HoldReason, Ledger, WriteOutcome
from brushwork_core.ledger.held_results import HeldResults
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.ledger.task_ends import TaskEnds
from brushwork_core.provenance.appearance.fingerprint import Fingerprint, SearchedPicture
from brushwork_core.provenance.appearance.picture_print import print_of
from brushwork_core.provenance.appearance.print_search import PrintSearch
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import FileNotFound, JobFailed, JobNotFound, ResultHeld
from brushwork_schemas.states import JobState

from tests.clients import png
from tests.drawn import drawn
from tests.jobs import claimed, new_job, picture, result_of

HOLD = HoldReason("no-stars", "It shows a star.")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def held_results(database: Database, store: ArtifactStore) -> HeldResults:
    return HeldResults(database, UnusedFiles(database, store).remove)


def held(ledger: Ledger, store: ArtifactStore, job_id: str = "a", **options: object) -> Artifact:
    """A job whose result is held, and its picture."""
    picture = store.put_picture(png("red"))
    ledger.submit([new_job(job_id, **options)])
    claim = claimed(ledger, job_id)
    result = {**result_of(1), "images": [picture.model_dump(mode="json")]}
    end = Completion(job_id, claim.fence, result, (picture,), hold=HOLD)
    assert ledger.complete_many([end]) == [WriteOutcome.APPLIED]
    # The answer was lost, and the worker writes it again.
    assert ledger.complete_many([end]) == [WriteOutcome.APPLIED]
    assert ledger.complete(job_id, claim.fence - 1, result) is WriteOutcome.LEASE_LOST
    return picture


def readable(database: Database, sha256: str, tenants: Sequence[str | None] = ("", None)) -> list[bool]:
    found = []
    for tenant in tenants:
        found.append(False)
        with suppress(FileNotFound):
            TenantFiles(database).get(sha256, tenant)
            found[-1] = True
    return found


def test_the_caller_learns_why_and_gets_nothing(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore
) -> None:
    picture = held(ledger, store)
    for job in (index.get("a"), index.get_many(["a"])[0], index.list()[0]):
        assert (job.state, job.result) == (JobState.SUCCEEDED, None)
        assert job.review is not None
        assert (job.review.policy, job.review.reason) == ("no-stars", "It shows a star.")
        with pytest.raises(ResultHeld, match="It shows a star"):
            job.raise_for_state()
    assert readable(database, picture.sha256) == [False, False]


def test_a_file_that_is_also_elsewhere_is_read_there(
    database: Database, ledger: Ledger, store: ArtifactStore
) -> None:
    picture = held(ledger, store)
    TenantFiles(database).record_upload("acme", picture)
    assert readable(database, picture.sha256, ("acme", "", None)) == [True, False, True]


def test_a_release_is_the_end_that_everybody_waits_for(
    database: Database, ledger: Ledger, index: JobIndex, store: ArtifactStore, held_results: HeldResults
) -> None:
    hook = "https://receiver.example/hook"
    picture = held(ledger, store, webhook_url=hook, celery=CeleryMessage("a", {"link": []}))
    ends = TaskEnds(database)
    assert Outbox(database).list() == []
    assert ends.find_missed() == 0
    assert ends.take(10) == []
    (found,) = held_results.list()
    assert found.job.result.images[0].sha256 == picture.sha256
    held_results.release("a")
    job = index.get("a").raise_for_state()
    assert (job.review, job.result.images[0].sha256) == (None, picture.sha256)
    assert readable(database, picture.sha256) == [True, True]
    assert [event.id for event in Outbox(database).list()] == ["a:succeeded"]
    assert [end.job_id for end in ends.take(10)] == ["a"]
    (event,) = AuditLog(database).events(AuditFilter(action="result"))
    assert (event.action, event.subjects, event.detail) == ("result.released", ("a",), {"policy": "no-stars"})


@pytest.mark.parametrize(
    ("given", "said"), [("", "It shows a star."), (" No stars, please. ", "No stars, please.")]
)
def test_a_refusal_fails_the_job_and_removes_its_files(
    database: Database,
    ledger: Ledger,
    index: JobIndex,
    store: ArtifactStore,
    held_results: HeldResults,
    given: str,
    said: str,
) -> None:
    picture = held(ledger, store, webhook_url="https://receiver.example/hook", celery=CeleryMessage("a", {}))
    held_results.refuse("a", given)
    job = index.get("a")
    assert (job.state, job.result, job.review) == (JobState.FAILED, None, None)
    assert job.error is not None
    assert (job.error.code, job.error.message) == ("policy_refused", f"Refused by a reviewer: {said}")
    with pytest.raises(JobFailed, match="policy_refused"):
        job.raise_for_state()
    assert not store.has(picture.sha256)
    assert readable(database, picture.sha256) == [False, False]
    assert [event.id for event in Outbox(database).list()] == ["a:failed"]
    assert [end.job_id for end in TaskEnds(database).take(10)] == ["a"]
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT result FROM reviews").scalar() is None


def test_a_review_ends_once(ledger: Ledger, store: ArtifactStore, held_results: HeldResults) -> None:
    held(ledger, store)
    held_results.release("a")
    ends = (held_results.release, held_results.get, lambda job_id: held_results.refuse(job_id, ""))
    for end in ends:
        with pytest.raises(JobNotFound):
            end("a")
    with pytest.raises(JobNotFound):
        held_results.release("none")
    with pytest.raises(JobNotFound):
        held_results.release("\0")


def test_deletion_and_retention_take_the_held_result_along(
    database: Database, ledger: Ledger, store: ArtifactStore, held_results: HeldResults
) -> None:
    first = held(ledger, store, "a")
    JobDeletion(database, store).delete("a")
    assert not store.has(first.sha256)
    held(ledger, store, "b", celery=CeleryMessage("b", {"link": []}))
    assert Retention(database, store).prune(-1.0).num_jobs == 1
    assert held_results.list() == []


def test_jobs_end_together_held_or_not(ledger: Ledger, index: JobIndex, held_results: HeldResults) -> None:
    ledger.submit([new_job("a"), new_job("b")])
    ends = [
        Completion(job_id, claimed(ledger, job_id).fence, result_of(1), hold=hold)
        for job_id, hold in (("a", HOLD), ("b", None))
    ]
    assert ledger.complete_many(ends) == [WriteOutcome.APPLIED] * 2
    assert [index.get(name).result is None for name in "ab"] == [True, False]
    assert [each.job.id for each in held_results.list()] == ["a"]
    assert held_results.number() == 1


def test_a_copy_of_a_held_picture_leads_nowhere_before_the_release(
    database: Database, ledger: Ledger, held_results: HeldResults
) -> None:
    shown = drawn(1)
    made = replace(print_of(shown, picture("a")), pixels_sha256="2" * 64, unsigned_sha256="3" * 64)
    ledger.submit([new_job("a")])
    end = Completion(
        "a", claimed(ledger, "a").fence, result_of(1), (picture("a"),), prints=(made,), hold=HOLD
    )
    ledger.complete_many([end])
    seen = Fingerprint.of(shown)
    copies = {
        "content": SearchedPicture("a" * 64, seen),
        "unsigned": SearchedPicture("f" * 64, seen, None, "3" * 64),
        "pixels": SearchedPicture("f" * 64, seen, "2" * 64),
        "appearance": SearchedPicture("f" * 64, seen),
    }
    search = PrintSearch(database)
    assert [search.find(each, tenant) for each in copies.values() for tenant in ("", None)] == [()] * 8
    held_results.release("a")
    assert {name: search.find(each, "")[0].by for name, each in copies.items()} == {
        name: name for name in copies
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("No\0 stars.", "No\ufffd stars."),
        ("No\r\n\tstars.", "No stars."),
        ("\x1b[2Jgone \u202etxt", "\ufffd[2Jgone \ufffdtxt"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("a" * 600, "a" * 499 + "…"),
        (" \n ", "It shows a star."),
    ],
)
def test_any_reason_of_a_reviewer_is_stored_as_text(
    ledger: Ledger, index: JobIndex, store: ArtifactStore, held_results: HeldResults, given: str, said: str
) -> None:
    held(ledger, store)
    held_results.refuse("a", given)
    error = index.get("a").error
    assert error is not None
    assert error.message == f"Refused by a reviewer: {said}"
