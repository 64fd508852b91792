"""The overhead of the queue, measured with a job that does nothing: latency one by one, throughput at once.

python -m benchmarks.empty_job [--jobs 1000] [--one-by-one 200] [--rounds 3]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

from benchmarks import plot
from benchmarks.arrivals import Latencies, together
from benchmarks.brushwork_queue import Queue
from benchmarks.command import Benchmark, Options
from benchmarks.contestant import Contestant, Job
from benchmarks.durable_postgres import durable_postgres
from benchmarks.empty_stack import empty_stack
from benchmarks.plain_celery import Tuning, Work, plain_celery
from benchmarks.report import Row
from benchmarks.rounds import OURS, Seconds, Stage, quickest, take_turns, times_faster

CELERY = "plain Celery, Redis results"
POSTGRES = ", PostgreSQL"
_WARM_UP = 50
_TRIAL = 200


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--jobs", type=int, default=1000, help="jobs submitted at once")
    parser.add_argument("--one-by-one", type=int, default=200, help="jobs per round for the latency")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--concurrency", type=int, default=16, help="jobs that a worker of brushwork runs at once"
    )
    parser.add_argument("--postgres", action=argparse.BooleanOptionalAction, default=True)


def measure(options: Options, folder: Path) -> list[Row]:
    """Latency and throughput of each contestant, in turns."""
    with ExitStack() as stack:
        contestants = _contestants(options, folder, stack)
        stage = Stage(contestants)
        for one in contestants:
            _one_by_one(one, _WARM_UP)
            one.burst(_jobs(_WARM_UP))
        print(" one by one, p50 in ms", flush=True)
        latencies: dict[str, list[Latencies]] = {one.name: [] for one in contestants}
        turns = {one.name: _timed(one, options, latencies) for one in contestants}
        take_turns(turns, options.rounds, stage)
        print(" all at once, s", flush=True)
        jobs = _jobs(options.jobs)
        bursts = take_turns(
            {one.name: partial(one.burst, jobs) for one in contestants}, options.rounds, stage
        )
    return [_row(name, together(latencies[name]), len(jobs), bursts) for name in latencies]


def _contestants(options: Options, folder: Path, stack: ExitStack) -> list[Contestant]:
    ways = {f"{OURS}, {count} workers": count for count in options.workers}

    def make(name: str, data: str, url: str | None = None) -> AbstractContextManager[Queue]:
        workers = ways[name.removesuffix(POSTGRES)]
        return empty_stack(name, folder / data, workers, options.concurrency, url)

    makers = {name: partial(make, name, f"trial-{count}") for name, count in ways.items()}
    best = quickest(makers, lambda queue: _jobs(min(_TRIAL, options.jobs)))
    found: list[Contestant] = [stack.enter_context(make(best, "sqlite"))]
    url = stack.enter_context(durable_postgres()) if options.postgres else None
    if url is not None:
        found.append(stack.enter_context(make(best + POSTGRES, "postgres", url)))
    if options.peers in ("all", "celery"):
        peer = plain_celery(CELERY, folder / "celery", Work("nothing"), Tuning())
        found.append(stack.enter_context(peer))
    return found


def _jobs(count: int) -> list[Job]:
    return [{"prompt": "nothing", "seed": 1}] * count


def _one_by_one(one: Contestant, count: int) -> Latencies:
    seconds = []
    for job in _jobs(count):
        began = time.perf_counter()
        one.answer(job)
        seconds.append(time.perf_counter() - began)
    return Latencies(tuple(seconds), count / sum(seconds))


def _timed(one: Contestant, options: Options, kept: dict[str, list[Latencies]]) -> Callable[[], float]:
    def turn() -> float:
        kept[one.name].append(_one_by_one(one, options.one_by_one))
        return 1000 * kept[one.name][-1].percentile_s(0.5)

    return turn


def _row(name: str, latencies: Latencies, count: int, bursts: Seconds) -> Row:
    peer = bursts.get(CELERY)
    return {
        "contestant": name,
        "p50_ms": 1000 * latencies.percentile_s(0.5),
        "p99_ms": 1000 * latencies.percentile_s(0.99),
        "per_s": count / statistics.median(bursts[name]),
        "of_celery": times_faster(bursts[name], peer) if peer else None,
        "rounds": bursts[name],
    }


def draw(rows: list[Row], file: Path) -> None:
    """Latencies and throughput side by side."""
    titles = {"p50_ms": "p50, ms", "p99_ms": "p99, ms", "per_s": "jobs/s"}
    plot.bars(
        file, {title: {row["contestant"]: row[key] for row in rows} for key, title in titles.items()}, ""
    )


COLUMNS = {
    "contestant": "contestant",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "per_s": "jobs/s",
    "of_celery": "jobs/s, of plain Celery's",
}

BENCHMARK = Benchmark(
    name="empty_job",
    title="A job that does nothing.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
