"""Whether the rate of claims depends on the length of the queue, and how long a tenant waits for its turn.

python -m benchmarks.scale_simulation [--queued 10000 100000 1000000] [--tenants 1000]
    [--simulated-workers 100] [--seconds 30] [--processes 2]

Ledger, PostgreSQL (with fsync) and Redis are real; the workers are threads that end a job as soon as they
have claimed it. So the rate is what this machine's cores can carry, with the database on the same cores.
Meanwhile, as many new jobs are written as were claimed. The quick form, in less than a minute:
`--queued 10000 100000 --seconds 10`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from brushwork.embedded.data_folder import DataFolder
from brushwork.embedded.redis_server import answers, redis_server
from brushwork_core.database.database import Database
from sqlalchemy import make_url, text

from benchmarks import plot
from benchmarks.command import Benchmark, Options
from benchmarks.durable_postgres import durable_postgres
from benchmarks.program import Program, own_environment
from benchmarks.report import Row
from benchmarks.simulated_workers import KIND

_A_FILL = 50_000
_REFILL_S = 1.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--queued", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--simulated-workers", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2, help="processes that share these workers")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each length of the queue")


def measure(options: Options, folder: Path) -> list[Row]:
    """Fill the queue to each length, and measure."""
    data = DataFolder(folder / "data")
    data.create()
    redis, redis_url = redis_server(data)
    with (
        durable_postgres() as url,
        Program(redis.argv, data.logs / "redis.log", lambda: answers(redis_url)),
    ):
        if url is None:
            return []
        database = Database(url)
        database.migrate()
        try:
            return list(_rows(database, url, redis_url, options))
        finally:
            database.close()


def _rows(database: Database, url: str, redis_url: str, options: Options) -> Iterator[Row]:
    filled = 0
    for length in sorted(options.queued):
        _fill(database, length - filled, options.tenants)
        filled = length
        database_work(database, "VACUUM ANALYZE jobs")
        row = _measured(database, url, redis_url, length, options)
        print("  ", row, flush=True)
        yield row


def _measured(database: Database, url: str, redis_url: str, length: int, options: Options) -> Row:
    shares = _shares(options.simulated_workers, options.processes)
    argv = [sys.executable, "-m", "benchmarks.simulated_workers", url, redis_url]
    processes = [
        subprocess.Popen(
            [*argv, str(first), str(count), str(options.seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own_environment(),
        )
        for first, count in shares
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None  # noqa: S101 - for the type checker; it is a pipe
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None  # noqa: S101 - as above
        process.stdin.write("go\n")
        process.stdin.flush()
    num_ended = _num_ended(database)
    cpu_s, until = _cpu_s(url, processes), time.monotonic() + options.seconds
    while (left_s := until - time.monotonic()) > 0:
        time.sleep(min(_REFILL_S, left_s))
        num_ended += _fill(database, _num_ended(database) - num_ended, options.tenants)
    used_s = _cpu_s(url, processes) - cpu_s
    found = [json.loads(process.communicate()[0]) for process in processes]
    _fill(database, _num_ended(database) - num_ended, options.tenants)
    return _row(length, found, used_s, options)


def _cpu_s(url: str, workers: Sequence["subprocess.Popen[str]"]) -> float:
    """Processor time of workers and PostgreSQL. Other programs on the machine do not change it much."""
    folder = Path(make_url(url).query["host"])  # type: ignore[arg-type]
    postmaster = int((folder / "data" / "postmaster.pid").read_text("utf-8").split()[0])
    server = psutil.Process(postmaster)
    used = 0.0
    for process in (server, *server.children(), *(psutil.Process(worker.pid) for worker in workers)):
        # A background process of the server may have ended since it was listed.
        with suppress(psutil.NoSuchProcess):
            used += sum(process.cpu_times()[:2])
    return used


def _row(length: int, found: Sequence[Mapping[str, Any]], used_s: float, options: Options) -> Row:
    claims = sorted(tuple(claim) for each in found for claim in each["claims"])
    seconds = sorted(second for each in found for second in each["seconds"])
    per_s = len(claims) / options.seconds
    waits = waits_s(claims, num_tenants=options.tenants, seconds=options.seconds)
    return {
        "queued": length,
        "claims_per_s": per_s,
        "cpu_ms": 1000 * used_s / len(claims),
        "claim_p50_ms": 1000 * statistics.median(seconds),
        "claim_p99_ms": 1000 * seconds[int(0.99 * (len(seconds) - 1))],
        "fair_wait_s": options.tenants / per_s,
        "median_wait_s": statistics.median(waits),
        "worst_wait_s": waits[-1],
    }


def waits_s(claims: Sequence[tuple[float, str]], *, num_tenants: int, seconds: float) -> list[float]:
    """Return the longest time of each tenant without a claim; the shortest of these first.

    A tenant that had no claim at all waits for the whole time.

    Args:
        claims: Time in seconds, and tenant, of each claim; the earliest first.
        num_tenants: Number of tenants.
        seconds: Length of the measurement.
    """
    moments: dict[str, list[float]] = defaultdict(lambda: [0.0])
    for moment, tenant in claims:
        moments[tenant].append(moment)
    found = []
    for number in range(num_tenants):
        turns = [*moments[_tenant(number)], seconds]
        found.append(max(later - earlier for earlier, later in pairwise(turns)))
    return sorted(found)


def _shares(count: int, processes: int) -> list[tuple[int, int]]:
    size = -(-count // processes)
    return [(first, min(size, count - first)) for first in range(0, count, size)]


def _tenant(number: int) -> str:
    return f"tenant-{number:04}"


def _num_ended(database: Database) -> int:
    with database.reading() as connection:
        ended = text("SELECT count(*) FROM jobs WHERE state = 'succeeded'")
        return int(connection.execute(ended).scalar_one())


def _fill(database: Database, number: int, tenants: int) -> int:
    """Write so many waiting jobs, by the database itself, for the tenants in turns, and return the number."""
    for first in range(0, number, _A_FILL):
        with database.writing() as connection:
            count = min(_A_FILL, number - first)
            connection.execute(_FILL, {"count": count, "kind": KIND, "tenants": tenants})
    return number


def database_work(database: Database, *statements: str) -> None:
    """Run statements that need no transaction."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


# The ids grow with time, like those of real jobs.
_FILL = text("""
    INSERT INTO jobs (
        id, kind, model, label, state, request, max_attempts, tenant, rank, created_at, queued_at
    )
    SELECT to_hex(moment) || '-' || lpad(to_hex(n), 8, '0') || '-' || gen_random_uuid(),
           :kind, 'pocket-diffusion', tenant, 'queued', '{"prompt": "x"}', 3,
           tenant, moment + n, moment, moment
    FROM (SELECT n, 'tenant-' || lpad(CAST(n % :tenants AS TEXT), 4, '0') AS tenant
          FROM generate_series(1, :count) AS n) AS numbers,
         (SELECT CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT) AS moment) AS clock
""")


def draw(rows: list[Row], file: Path) -> None:
    """Claims a second, their cost, and the worst wait, by length of the queue."""
    lengths = {f"{row['queued']} queued": row for row in rows}
    plot.bars(
        file,
        {
            "claims a second": {name: row["claims_per_s"] for name, row in lengths.items()},
            "processor time a job, ms": {name: row["cpu_ms"] for name, row in lengths.items()},
            "longest wait of a tenant, s": {name: row["worst_wait_s"] for name, row in lengths.items()},
        },
        "",
    )


COLUMNS = {
    "queued": "queued jobs",
    "claims_per_s": "claims a second",
    "cpu_ms": "processor time a job, ms",
    "claim_p50_ms": "claim of up to 4 jobs, p50, ms",
    "claim_p99_ms": "p99, ms",
    "fair_wait_s": "wait of each tenant with ideal turns, s",
    "median_wait_s": "longest wait of a tenant, median, s",
    "worst_wait_s": "of the worst tenant, s",
}

BENCHMARK = Benchmark(
    name="scale_simulation",
    title="A long queue of many tenants, and many workers that do nothing.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
