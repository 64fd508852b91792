"""Jobs for tests of the ledger: new, claimed, lost; and looks at what is stored of them."""

from collections.abc import Iterable
from typing import Any

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import JOBS
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.ledger import Claim, ClaimOrder, Ledger, NewJob, WriteOutcome
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.job import Job, JobError, Progress
from brushwork_schemas.states import JobState
from sqlalchemy import Table, func, select, update

KIND = "text-to-image"
ERROR = JobError(code="out_of_memory", message="The device is full.", fault="machine")
# Has run out as it is granted, so that no test waits for it.
NO_LEASE_S = -1.0


def new_job(job_id: str, *, kind: str = KIND, inputs: Iterable[str] = (), **options: Any) -> NewJob:
    return NewJob(
        id=job_id,
        kind=kind,
        model="pocket-diffusion",
        label="pocket-diffusion 64x64",
        request={"prompt": "a red circle"},
        inputs=tuple(picture(letter) for letter in inputs),
        **options,
    )


def picture(name: str) -> Artifact:
    return Artifact(
        sha256=name * (64 // len(name)), media_type="image/png", size_bytes=100, width=8, height=8
    )


def result_of(number: int) -> dict[str, object]:
    provenance = {
        "model": "pocket-diffusion", "model_revision": "1", "versions": {}, "device": "cpu",
        "dtype": "float32", "worker": "w", "attempt": 1,
        "timings": {"queued_s": 0.0, "loading_s": 0.0, "running_s": 0.0},
    }  # fmt: skip
    pictures = {"images": [], "seed": number, "seeds": [], "nsfw_content_detected": None}
    return {"version": 1, **pictures, "provenance": provenance}


def claimed(ledger: Ledger, job_id: str, worker: str = "w") -> Claim:
    claim = ledger.claim(job_id, worker)
    assert claim is not None
    return claim


def taken(
    ledger: Ledger,
    limit: int = 9,
    *,
    kinds: Iterable[str] = (KIND,),
    worker: str = "w",
    order: ClaimOrder | None = None,
) -> list[str]:
    """Claim the jobs that are next: their ids in the order of the claims."""
    claims = ledger.claim_next(order or ClaimOrder(list(kinds)), worker, limit)
    return [claim.job_id for claim in claims.jobs]


def mark_sent(database: Database, *job_ids: str, at_ms: int | None = None) -> None:
    """As an older program that has sent messages of these jobs, by default now."""
    _write(database, job_ids, dispatched_at=now_ms() if at_ms is None else at_ms)


def begun(ledger: Ledger, job_id: str, worker: str = "w") -> int:
    """Claim a job, wait until it is alone if it has to be, and begin: the fence."""
    claim = claimed(ledger, job_id, worker)
    if claim.alone:
        assert ledger.perform(job_id, claim.fence) is WriteOutcome.APPLIED
    return claim.fence


def said(database: Database, job_id: str, fence: int, step: int, total: int) -> bool:
    """Whether an attempt could say how far it is."""
    report = ProgressReport(job_id, fence, Progress(step=step, total=total))
    return JobSignals(database).report_progress([report]) == {(job_id, fence)}


def lost(database: Database, job_id: str, worker: str = "w", *, max_attempts: int = 3) -> Claim:
    """A new job whose claim has run out."""
    short = Ledger(database, lease_s=NO_LEASE_S)
    short.submit([new_job(job_id, max_attempts=max_attempts)])
    return claimed(short, job_id, worker)


def reaped(ledger: Ledger, index: JobIndex, job_id: str) -> Job:
    """The job once its lease has been reaped."""
    assert index.get(job_id).state is JobState.RUNNING
    ledger.reap()
    return index.get(job_id)


def lose(database: Database, *job_ids: str) -> None:
    """Let the leases of these running jobs run out."""
    _write(database, job_ids, lease_expires_at=1)


def hurry(database: Database, *job_ids: str) -> None:
    """End the pause of these jobs before their next attempt."""
    _write(database, job_ids, not_before=1, avoid_until=1)


def overdue(database: Database, *job_ids: str) -> None:
    """Let the deadlines of these jobs pass."""
    _write(database, job_ids, deadline_at=1)


def _write(database: Database, job_ids: Iterable[str], **columns: object) -> None:
    with database.writing() as connection:
        connection.execute(update(JOBS).where(JOBS.c.id.in_(job_ids)).values(**columns))


def column(database: Database, job_id: str, name: str) -> object:
    with database.reading() as connection:
        return connection.execute(select(JOBS.c[name]).where(JOBS.c.id == job_id)).scalar_one()


def count(database: Database, table: Table) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()
