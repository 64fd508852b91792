"""What idle workers cost the database, and how soon a single job starts then.

python -m benchmarks.idle_workers [--idle-workers 50] [--seconds 60] [--jobs 60]

The workers are forked from one process and run jobs that do nothing; everything else is real. Statements are
counted by PostgreSQL's extension pg_stat_statements. `--idle-workers 10 --seconds 20 --jobs 20` is the quick
form.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from brushwork.embedded.data_folder import DataFolder
from brushwork.embedded.redis_server import answers, redis_server
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from benchmarks import plot
from benchmarks.brushwork_queue import Queue
from benchmarks.command import Benchmark, Options
from benchmarks.counted_postgres import DATABASE, CountedPostgres, counted_postgres
from benchmarks.program import Program
from benchmarks.report import Row

JOB = {"kind": "text-to-image", "prompt": "a red circle", "seed": 1}
SETTLE_S = 15.0
_SHOWN = 12
_QUERY_WIDTH = 110


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--idle-workers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="for which statements are counted")
    parser.add_argument("--jobs", type=int, default=60, help="single jobs, with pauses between them")


def measure(options: Options, folder: Path) -> list[Row]:
    """Count the statements of the idle fleet, then time single jobs."""
    with counted_postgres() as postgres, _fleet(postgres, options.idle_workers, folder) as queue:
        time.sleep(SETTLE_S)
        postgres.reset()
        began = time.monotonic()
        time.sleep(options.seconds)
        counts, seconds = postgres.counts(), time.monotonic() - began
        for query, calls in counts.statements[:_SHOWN]:
            print(f"  {calls / seconds:8.2f}/s  {' '.join(query.split())[:_QUERY_WIDTH]}", flush=True)
        starts = sorted(_starts_ms(queue, options.jobs))
    return [
        {
            "workers": options.idle_workers,
            "seconds": options.seconds,
            "statements_per_s": counts.total / seconds,
            "writes_per_s": counts.writes / seconds,
            "transactions_per_s": counts.transactions / seconds,
            "start_p50_ms": statistics.median(starts),
            "start_p95_ms": starts[int(0.95 * (len(starts) - 1))],
        }
    ]


@contextmanager
def _fleet(postgres: CountedPostgres, num_workers: int, folder: Path) -> Iterator[Queue]:
    # Each worker may hold some connections.
    database_url = postgres.url(DATABASE)
    data = DataFolder(folder / "data")
    data.create()
    redis, redis_url = redis_server(data)
    settings = Settings.load(
        redis_url=redis_url, database_url=database_url, artifacts_url=str(data.artifacts)
    )
    addresses = {
        "BRUSHWORK_REDIS_URL": redis_url,
        "BRUSHWORK_DATABASE_URL": database_url,
        "BRUSHWORK_ARTIFACTS_URL": str(data.artifacts),
        "BRUSHWORK_DATA": str(folder / "data"),
        "BRUSHWORK_MODELS": "pocket-diffusion",
    }
    database = Database(database_url)
    database.migrate()
    database.close()
    argv = [sys.executable, "-m", "benchmarks.forked_workers", "--count", str(num_workers)]
    with Program(redis.argv, data.logs / "redis.log", lambda: answers(redis_url)):
        queue = Queue(settings, {})
        try:
            with Program(argv, data.logs / "workers.log", lambda: _are_ready(queue, num_workers), addresses):
                yield queue
        finally:
            queue.close()


def _are_ready(queue: Queue, count: int) -> bool:
    return sum(worker.ready for worker in queue.client.workers()) >= count


def _starts_ms(queue: Queue, count: int) -> Iterator[float]:
    """Milliseconds from the job's creation to its claim, by the clock of the database."""
    rng = random.Random(1)
    for _ in range(count):
        time.sleep(rng.uniform(0.1, 0.4))
        job = queue.client.submit_many([JOB])[0]
        ended = queue.client.wait(job.id).raise_for_state()
        if ended.started_at is None:
            raise RuntimeError(f"job {job.id} has no start")
        yield 1000 * (ended.started_at - ended.created_at).total_seconds()


def draw(rows: Sequence[Row], file: Path) -> None:
    """Statements, and the start of a job."""
    row = rows[0]
    plot.bars(
        file,
        {
            "statements a second": {"all": row["statements_per_s"], "writes": row["writes_per_s"]},
            "start of a single job, ms": {"p50": row["start_p50_ms"], "p95": row["start_p95_ms"]},
        },
        "",
    )


COLUMNS = {
    "workers": "idle workers",
    "statements_per_s": "statements a second",
    "writes_per_s": "of them writes",
    "transactions_per_s": "BEGIN a second",
    "start_p50_ms": "start of a single job, p50, ms",
    "start_p95_ms": "p95, ms",
}

BENCHMARK = Benchmark(
    name="idle_workers",
    title="What idle workers cost the database.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
