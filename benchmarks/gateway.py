"""The cost of HTTP: reading and submitting jobs with 100,000 others in the ledger, and many event streams.

python -m benchmarks.gateway [--jobs 100000] [--requests 2000] [--connections 1 4 16] [--streams 200]

The quick form for one line of the table, in less than a minute:
python -m benchmarks.gateway --no-sqlite --only "queued" --connections 4 --jobs 30000

The requests come from one process of raw asyncio sockets (`benchmarks.http_load`), which shares the cores.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from brushwork.embedded.data_folder import DataFolder
from brushwork.embedded.redis_server import answers, redis_server
from brushwork_core.database.database import Database
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.ledger import Ledger
from brushwork_schemas.job import Progress

from benchmarks import plot
from benchmarks.command import Benchmark, Options
from benchmarks.durable_postgres import durable_postgres
from benchmarks.event_load import Stream, latencies
from benchmarks.filled_ledger import ended_id, fill, queued_id
from benchmarks.http_load import Answers, Requests
from benchmarks.program import Program
from benchmarks.report import Row
from tests.servers import free_port

HOST = "127.0.0.1"
BODY = '{"kind": "text-to-image", "prompt": "a red circle left of a blue square", "seed": 1}'
ROUNDS = 20
WATCHED = "event of a watched job"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument(
        "--jobs", type=int, default=100_000, help="jobs in the ledger; a third of them are queued"
    )
    parser.add_argument("--requests", type=int, default=2000, help="requests per row of the table")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--sqlite", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--postgres", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--only", default="", help="only the rows whose request contains this text")


def measure(options: Options, folder: Path) -> list[Row]:
    """Each database: a gateway of its own beside a full ledger."""
    with ExitStack() as stack:
        addresses = {"SQLite": f"sqlite:///{folder / 'ledger.sqlite3'}"} if options.sqlite else {}
        postgres = stack.enter_context(durable_postgres()) if options.postgres else None
        if postgres is not None:
            addresses["PostgreSQL"] = postgres
        return [row for name, url in addresses.items() for row in _rows(name, url, options, folder / name)]


@dataclass(frozen=True)
class Gateway:
    """A running gateway.

    Args:
        port: Where it listens.
        program: Its process.
    """

    port: int
    program: Program

    def ask(self, requests: Requests) -> Answers:
        """Have the load generator ask."""
        argv = [sys.executable, "-m", "benchmarks.http_load", HOST, str(self.port)]
        said = json.dumps(asdict(requests))
        done = subprocess.run(argv, input=said, stdout=subprocess.PIPE, text=True, check=True)
        return Answers(**json.loads(done.stdout))

    def memory_mb(self) -> float:
        """Resident memory."""
        return sum(process.memory_info().rss for process in self.program.tree()) / 2**20


def _rows(name: str, url: str, options: Options, folder: Path) -> Iterator[Row]:
    database = Database(url)
    database.migrate()
    print(f"  filling {name} with {options.jobs} jobs", flush=True)
    fill(database, options.jobs)
    with _gateway(url, folder) as gateway:
        for row in _measured(gateway, database, options):
            print("  ", name, {key: row[key] for key in row if row[key] is not None}, flush=True)
            yield {"database": name, **row}
    database.close()


def _measured(gateway: Gateway, database: Database, options: Options) -> Iterator[Row]:
    yield from _asked(gateway, options)
    if options.only in WATCHED:
        yield _watched(gateway, database, options)


@contextmanager
def _gateway(url: str, folder: Path) -> Iterator[Gateway]:
    data = DataFolder(folder)
    data.create()
    redis, redis_url = redis_server(data)
    port = free_port()
    addresses = {
        "BRUSHWORK_REDIS_URL": redis_url,
        "BRUSHWORK_DATABASE_URL": url,
        "BRUSHWORK_ARTIFACTS_URL": str(data.artifacts),
        "BRUSHWORK_DATA": str(folder),
    }
    argv = [sys.executable, "-m", "brushwork", "gateway", "--port", str(port)]
    with (
        Program(redis.argv, data.logs / "redis.log", lambda: answers(redis_url)),
        Program(argv, data.logs / "gateway.log", lambda: _is_up(port), addresses) as program,
    ):
        yield Gateway(port, program)


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/healthz").is_success
    except httpx.TransportError:
        return False


def _asked(gateway: Gateway, options: Options) -> Iterator[Row]:
    rng, count = random.Random(1), options.requests
    ended = [f"/v1/jobs/{ended_id(rng.randrange(options.jobs), options.jobs)}" for _ in range(count)]
    queued = [f"/v1/jobs/{queued_id(rng.randrange(options.jobs), options.jobs)}" for _ in range(count)]
    few = max(1, count // 10)
    for what, requests in {
        "GET /v1/jobs/{id}, ended": Requests(ended),
        "GET /v1/jobs/{id}, queued": Requests(queued),
        "GET /v1/jobs, the newest 50": Requests(["/v1/jobs"] * few),
        "POST /v1/jobs": Requests(["/v1/jobs"] * few, method="POST", body=BODY),
    }.items():
        if options.only not in what:
            continue
        gateway.ask(Requests(requests.paths[:few], 2, requests.method, requests.body))
        for connections in options.connections:
            of = Requests(requests.paths, connections, requests.method, requests.body)
            found = gateway.ask(of)
            yield _row(what, connections, found.seconds, per_s=len(found.seconds) / found.wall_s)


def _watched(gateway: Gateway, database: Database, options: Options) -> Row:
    """A stream for each of so many running jobs, all of which step at once."""
    ledger, job_signals = Ledger(database, lease_s=600), JobSignals(database)
    ids = [queued_id(number, options.jobs) for number in range(options.streams)]
    fences = {job_id: claim.fence for job_id in ids if (claim := ledger.claim(job_id, "benchmark"))}

    def tell(step: int) -> None:
        progress = Progress(step=step, total=ROUNDS)
        job_signals.report_progress(
            [ProgressReport(job_id, fence, progress) for job_id, fence in fences.items()]
        )

    memory_mb, seconds = asyncio.run(_streams(gateway, list(fences), tell))
    return _row(WATCHED, len(fences), seconds, memory_mb=memory_mb)


async def _streams(
    gateway: Gateway, ids: Sequence[str], tell: Callable[[int], None]
) -> tuple[float, list[float]]:
    before_mb = gateway.memory_mb()
    streams = [await Stream.opened(HOST, gateway.port, job_id) for job_id in ids]
    rng = random.Random(1)
    seconds = await latencies(streams, tell, [rng.uniform(0.1, 0.3) for _ in range(ROUNDS)])
    grown_mb = gateway.memory_mb() - before_mb
    for stream in streams:
        stream.writer.close()
    return grown_mb, seconds


def _row(
    what: str,
    connections: int,
    seconds: Sequence[float],
    *,
    per_s: float | None = None,
    memory_mb: float | None = None,
) -> Row:
    return {
        "what": what,
        "at_once": connections,
        "p50_ms": 1000 * statistics.median(seconds),
        "p99_ms": 1000 * sorted(seconds)[int(0.99 * len(seconds))],
        "per_s": per_s,
        "memory_mb": memory_mb,
    }


def draw(rows: list[Row], file: Path) -> None:
    """A panel for each database."""
    panels: dict[str, dict[str, float]] = {}
    for row in rows:
        name = f"{row['what']}: {row['at_once']} at once"
        panels.setdefault(f"{row['database']}, p50 in ms", {})[name] = row["p50_ms"]
    plot.bars(file, panels, "")


COLUMNS = {
    "database": "database",
    "what": "request",
    "at_once": "at once",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "per_s": "a second",
    "memory_mb": "memory of the gateway grew by, MB",
}

BENCHMARK = Benchmark(
    name="gateway",
    title="What HTTP costs.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
