"""Pictures of 8 to 40 steps: throughput if all arrive at once, latency if they arrive at random times.

python -m benchmarks.mixed_steps [--jobs 64] [--arrivals 60] [--rounds 3]
"""

import argparse
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import painting_jobs, plot
from benchmarks.arrivals import Latencies, play, poisson, together
from benchmarks.brushwork_queue import ours, tuned_brushwork
from benchmarks.command import Benchmark, Options
from benchmarks.contestant import Contestant, Job
from benchmarks.in_process import InProcess, in_its_thread, serialized
from benchmarks.peer_choice import PeerChoice
from benchmarks.peers.stock import Painter
from benchmarks.plain_celery import Tuning, Work
from benchmarks.report import Row
from benchmarks.rounds import Stage, take_turns, times_faster

ALONE = "one at a time in process"
LITSERVES = {
    "LitServe, groups of equal steps": "group",
    "LitServe, all take the most steps": "most",
}
LOAD = 0.7


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--jobs", type=int, default=64, help="jobs of the burst that measures the capacity")
    parser.add_argument("--arrivals", type=int, default=60, help="jobs of each stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most-steps", type=int, default=40)


def measure(options: Options, folder: Path) -> list[Row]:
    """Capacities by a burst, then streams at 70 % of the best LitServe's and of brushwork's capacity."""
    with ExitStack() as stack:
        contestants = _contestants(options, folder, stack)
        capacities = _capacities(contestants, options)
        rows = [*capacities]
        per_s = {row["contestant"]: row["per_s"] for row in capacities}
        for name, capacity in _loads(per_s).items():
            print(f" 70 % of {name}: {LOAD * capacity:.2f} jobs/s", flush=True)
            rows += _stream_rows(contestants, options, name, LOAD * capacity)
        return rows


def _contestants(options: Options, folder: Path, stack: ExitStack) -> list[Contestant]:
    trial = _jobs(options, min(16, options.jobs))
    peers = PeerChoice(folder, Work("paint", painting_jobs.MODEL), trial, options.peers)
    celeries = peers.celeries(stack, defaults=False)
    litserves = peers.litserves(stack, [(name, Tuning(), way) for name, way in LITSERVES.items()])
    queue = tuned_brushwork(
        stack,
        folder,
        {"kind": "text-to-image"},
        lambda queue: _jobs(options, options.jobs),
        workers=options.workers,
        concurrency=64,
        environment={"BRUSHWORK_MAX_BATCH_ROWS": "128"},
    )
    alone = InProcess(ALONE, serialized(in_its_thread(lambda: Painter(painting_jobs.MODEL)).paint))
    everybody: list[Contestant] = [queue, *litserves, *celeries, alone]
    for contestant in everybody:
        contestant.burst(trial)
    return everybody


def _jobs(options: Options, count: int, seed: int = 1) -> list[Job]:
    return painting_jobs.mixed(count, seed, min(8, options.most_steps), options.most_steps)


def _capacities(contestants: Sequence[Contestant], options: Options) -> list[Row]:
    """Jobs per second of each when all come at once."""
    print(" all at once", flush=True)
    jobs = _jobs(options, options.jobs)
    turns = {one.name: partial(one.burst, jobs) for one in contestants}
    seconds = take_turns(turns, options.rounds, Stage(contestants))
    return [
        {
            "load": "all at once",
            "contestant": name,
            "per_s": len(jobs) / statistics.median(taken),
            "brushwork_is": times_faster(ours(seconds), taken),
            "rounds": taken,
        }
        for name, taken in seconds.items()
    ]


def _loads(per_s: dict[str, float]) -> dict[str, float]:
    """By whose capacity the streams are measured."""
    peers = {name: rate for name, rate in per_s.items() if name in LITSERVES}
    best = {"LitServe's capacity": max(peers.values())} if peers else {}
    return {**best, "brushwork's capacity": ours(per_s)}


def _stream_rows(contestants: Sequence[Contestant], options: Options, load: str, per_s: float) -> list[Row]:
    streams: dict[str, list[Latencies]] = {one.name: [] for one in contestants}
    stage = Stage(contestants)
    for index in range(options.rounds):
        jobs = _jobs(options, options.arrivals, seed=100 + index)
        moments = poisson(options.arrivals, per_s, seed=index)
        for one in contestants:
            with stage.turn(one.name):
                streams[one.name].append(play(one, jobs, moments))
            print(
                f"  round {index + 1}  {one.name:<40} mean {streams[one.name][-1].mean_s:6.2f} s", flush=True
            )
    return [
        _stream_row(f"70 % of {load}, {per_s:.2f}/s", name, parts, ours(streams))
        for name, parts in streams.items()
    ]


def _stream_row(load: str, name: str, parts: list[Latencies], ours: list[Latencies]) -> Row:
    all_of_it = together(parts)
    return {
        "load": load,
        "contestant": name,
        "per_s": all_of_it.jobs_per_s,
        "mean_s": all_of_it.mean_s,
        "p50_s": all_of_it.percentile_s(0.5),
        "p99_s": all_of_it.percentile_s(0.99),
        "of_mean": 1 / times_faster([part.mean_s for part in ours], [part.mean_s for part in parts]),
        "rounds": [list(part.seconds) for part in parts],
    }


def draw(rows: list[Row], file: Path) -> None:
    """Jobs per second of the burst, and mean latency under each load."""
    panels: dict[str, dict[str, float]] = {}
    for row in rows:
        title = f"{row['load']}:\n" + ("mean latency, s" if "mean_s" in row else "jobs/s")
        panels.setdefault(title, {})[row["contestant"]] = row.get("mean_s", row["per_s"])
    plot.bars(file, panels, "")


COLUMNS = {
    "load": "load",
    "contestant": "contestant",
    "per_s": "jobs/s",
    "mean_s": "mean, s",
    "p50_s": "p50, s",
    "p99_s": "p99, s",
    "of_mean": "brushwork's mean / its mean",
    "brushwork_is": "brushwork is ... times as fast",
}

BENCHMARK = Benchmark(
    name="mixed_steps",
    title="Pictures of 8 to 40 steps, at once and at random moments.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
