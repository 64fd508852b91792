"""The cost of claims and completions by several workers, in an empty and in a full ledger.

python -m benchmarks.ledger_cost [--jobs 2000] [--processes 8] [--queued 100000] [--finished 1000000]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import ClaimOrder, Ledger, NewJob
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.job_filter import JobFilter
from brushwork_workers.supervision.reconciler import Reconciler
from sqlalchemy import text

from benchmarks import plot
from benchmarks.command import Benchmark, Options
from benchmarks.durable_postgres import durable_postgres
from benchmarks.report import Row

KIND = "text-to-image"
OPERATIONS = ("submit", "claim", "complete", "list", "claim 32", "reconcile")
_TIMES = 60
_A_FILL = 50_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of all processes together")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--queued", type=int, default=100_000, help="queued jobs in the full ledger")
    parser.add_argument("--finished", type=int, default=1_000_000, help="ended jobs in the full ledger")
    parser.add_argument("--postgres", action=argparse.BooleanOptionalAction, default=True)


def measure(options: Options, folder: Path) -> list[Row]:
    """Each database: empty with many workers, empty with one, full with one."""
    with ExitStack() as stack:
        addresses = {"SQLite": f"sqlite:///{folder / 'ledger.sqlite3'}"}
        postgres = stack.enter_context(durable_postgres()) if options.postgres else None
        if postgres is not None:
            addresses["PostgreSQL"] = postgres
        return [row for name, url in addresses.items() for row in _rows(name, url, options)]


def _rows(name: str, url: str, options: Options) -> Iterator[Row]:
    database = Database(url)
    database.migrate()
    ledger = Ledger(database, lease_s=600)
    many = _by_many(ledger, url, options)
    yield from _as_rows(name, f"empty, {options.processes} workers", many)
    empty = _by_one(database)
    yield from _as_rows(name, "empty", empty)
    _fill(database, options.queued, options.finished)
    full = _by_one(database)
    yield from _as_rows(name, f"{options.queued} queued, {options.finished} finished", full, empty)
    database.close()


def _as_rows(
    name: str, condition: str, found: dict[str, list[float]], empty: dict[str, list[float]] | None = None
) -> Iterator[Row]:
    for operation, seconds in found.items():
        middle = statistics.median(seconds)
        print(f"  {name:<11} {condition:<36} {operation:<10} {1000 * middle:8.2f} ms", flush=True)
        yield {
            "database": name,
            "ledger": condition,
            "operation": operation,
            "p50_ms": 1000 * middle,
            "p99_ms": 1000 * sorted(seconds)[int(0.99 * len(seconds))],
            "of_empty": middle / statistics.median(empty[operation]) if empty else None,
        }


def _by_many(ledger: Ledger, url: str, options: Options) -> dict[str, list[float]]:
    """Claim and complete, from several processes at once."""
    ids = [f"many-{index}" for index in range(options.jobs)]
    ledger.submit([new_job(job_id) for job_id in ids])
    shares = [ids[first :: options.processes] for first in range(options.processes)]
    argv = [sys.executable, "-m", "benchmarks.ledger_cost", "--worker", url]
    workers = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in shares
    ]
    # Each says that it is connected; then all begin.
    for worker in workers:
        assert worker.stdout is not None  # noqa: S101 - for the type checker; it is a pipe
        worker.stdout.readline()
    for worker, share in zip(workers, shares, strict=True):
        assert worker.stdin is not None  # noqa: S101 - as above
        print(json.dumps(share), file=worker.stdin, flush=True)
    answers = [json.loads(worker.communicate()[0]) for worker in workers]
    return {name: [one for answer in answers for one in answer[name]] for name in ("claim", "complete")}


def work(url: str) -> None:
    """One of those processes."""
    database = Database(url)
    ledger = Ledger(database, lease_s=600)
    ledger.claim("nobody", "worker")
    print("ready", flush=True)
    print(json.dumps(_claimed_and_completed(ledger, json.loads(sys.stdin.readline()))), flush=True)
    database.close()


def _claimed_and_completed(ledger: Ledger, ids: list[str]) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {"claim": [], "complete": []}
    for job_id in ids:
        began = time.perf_counter()
        claim = ledger.claim(job_id, "worker")
        seconds["claim"].append(time.perf_counter() - began)
        if claim is None:
            raise RuntimeError(f"{job_id} could not be claimed")
        began = time.perf_counter()
        ledger.complete(job_id, claim.fence, {"images": [], "seed": 1})
        seconds["complete"].append(time.perf_counter() - began)
    return seconds


def _by_one(database: Database) -> dict[str, list[float]]:
    """Every operation, by this process alone."""
    ledger, index = Ledger(database, lease_s=600), JobIndex(database)
    reconciler = Reconciler(ledger, WorkerRegistry(database), redispatch_after_s=600, lease_s=600)
    order = ClaimOrder([KIND])
    ids = [f"one-{time.monotonic_ns()}-{number}" for number in range(_TIMES)]
    found = {"submit": [_timed(partial(ledger.submit, [new_job(job_id)])) for job_id in ids]}
    found |= _claimed_and_completed(ledger, ids)
    found["list"] = [_timed(lambda: index.list(JobFilter(kind=KIND), limit=50)) for _ in ids]
    found["claim 32"] = [_timed(lambda: ledger.claim_next(order, "worker", 32)) for _ in ids]
    found["reconcile"] = [_timed(reconciler.sweep) for _ in ids]
    return {name: found[name] for name in OPERATIONS}


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def new_job(job_id: str) -> NewJob:
    """Return a job to be written."""
    return NewJob(job_id, KIND, "pocket-diffusion", "pocket-diffusion 64x64 12 steps", {"prompt": "x"})


def _fill(database: Database, num_queued: int, num_finished: int) -> None:
    """Rows as the ledger would have written them, by the database itself."""
    print(f"  filling with {num_queued} queued and {num_finished} finished jobs", flush=True)
    for state, count in (("queued", num_queued), ("succeeded", num_finished)):
        for first in range(0, count, _A_FILL):
            with database.writing() as connection:
                size = min(_A_FILL, count - first)
                connection.execute(_FILL, {"state": state, "first": first, "last": first + size - 1})
    with database.writing() as connection:
        connection.execute(text("ANALYZE"))


# Ten tenants, created one millisecond after another.
_FILL = text("""
    WITH RECURSIVE numbers(n) AS (
        SELECT CAST(:first AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < CAST(:last AS BIGINT)
    )
    INSERT INTO jobs (
        id, kind, model, label, state, request, max_attempts, tenant, rank, created_at, queued_at
    )
    SELECT CAST(:state AS VARCHAR(16)) || '-' || n, 'text-to-image', 'pocket-diffusion', 'label',
           CAST(:state AS VARCHAR(16)), '{"prompt": "x"}', 3, 'tenant-' || (n % 10),
           1700000000000 + n, 1700000000000 + n, 1700000000000 + n
    FROM numbers
""")


def draw(rows: list[Row], file: Path) -> None:
    """A panel for each database."""
    panels: dict[str, dict[str, float]] = {}
    for row in rows:
        panels.setdefault(f"{row['database']}, p50 in ms", {})[f"{row['operation']}: {row['ledger']}"] = row[
            "p50_ms"
        ]
    plot.bars(file, panels, "")


COLUMNS = {
    "database": "database",
    "ledger": "ledger",
    "operation": "operation",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "of_empty": "times an empty ledger's",
}

BENCHMARK = Benchmark(
    name="ledger_cost",
    title="What the protocol costs.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2])
    else:
        BENCHMARK.main()
