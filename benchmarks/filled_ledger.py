"""A ledger filled with jobs: two thirds have ended, one third is queued."""

from collections.abc import Iterator
from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, RESULTS
from brushwork_schemas.kinds.registry import all_kinds
from sqlalchemy import text

_A_STATEMENT = 10_000
_BEGAN_MS = 1_700_000_000_000
# Of each kind so many have a message in Redis.
_AHEAD = 64
_TENANTS = 10


def num_queued(num_jobs: int) -> int:
    """Return the number of queued jobs in a ledger of `num_jobs` jobs."""
    return num_jobs // 3


def ended_id(number: int, num_jobs: int) -> str:
    """A job that has ended, by any number."""
    return f"ended-{number % (num_jobs - num_queued(num_jobs))}"


def queued_id(number: int, num_jobs: int) -> str:
    """A job that waits, by any number."""
    return f"queued-{number % num_queued(num_jobs)}"


def fill(database: Database, num_jobs: int) -> None:
    """Write so many."""
    waiting = num_queued(num_jobs)
    rows = [*_ended(num_jobs - waiting), *_queued(waiting, first=num_jobs - waiting)]
    for start in range(0, num_jobs, _A_STATEMENT):
        some = rows[start : start + _A_STATEMENT]
        results = [
            {"job_id": row["id"], "fence": 1, "result": _RESULT}
            for row in some
            if row["state"] == "succeeded"
        ]
        with database.writing() as connection:
            connection.execute(JOBS.insert(), some)
            if results:
                connection.execute(RESULTS.insert(), results)
    with database.writing() as connection:
        connection.execute(text("ANALYZE"))


def _ended(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        moment = _BEGAN_MS + 100 * number
        yield _row(f"ended-{number}", "text-to-image", "succeeded", moment, number) | {
            "attempt": 1,
            "worker": f"worker-{number % 2}",
            "started_at": moment + 50,
            "finished_at": moment + 1050,
        }


def _queued(count: int, first: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        moment = _BEGAN_MS + 100 * (first + number)
        # A quarter each, and the first of them are on their way.
        kind = list(all_kinds())[number % len(all_kinds())]
        yield _row(f"queued-{number}", kind, "queued", moment, number) | {
            "dispatched_at": moment if number < _AHEAD * len(all_kinds()) else None
        }


def _row(job_id: str, kind: str, state: str, moment: int, number: int) -> dict[str, Any]:
    request: dict[str, Any] = {"version": 1, "model": "pocket-diffusion"}
    if kind == "text-to-image":
        request |= {"prompt": "a red circle left of a blue square", "seed": number}
    else:
        request |= {"image": "0" * 64}
    return {
        **dict.fromkeys(("dispatched_at", "worker", "started_at", "finished_at")),
        "id": job_id,
        "kind": kind,
        "model": "pocket-diffusion",
        "label": "pocket-diffusion 64x64 12 steps",
        "state": state,
        "request": request,
        "max_attempts": 3,
        "attempt": 0,
        "fence": 1,
        "tenant": f"tenant-{number % _TENANTS}",
        "rank": moment,
        "created_at": moment,
        "queued_at": moment,
    }


_RESULT = {
    "version": 1,
    "images": [
        {"sha256": "0" * 64, "media_type": "image/png", "size_bytes": 9000, "width": 64, "height": 64}
    ],
    "seed": 1,
    "seeds": [1],
    "provenance": {
        "model": "pocket-diffusion",
        "model_revision": "1",
        "versions": {"torch": "2"},
        "device": "cpu",
        "dtype": "float32",
        "worker": "worker-0",
        "attempt": 1,
        "timings": {"queued_s": 0.05, "loading_s": 0.0, "running_s": 1.0},
    },
}
