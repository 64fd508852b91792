"""Many pictures with equal step counts at once: brushwork compared with a static batch and with peers.

python -m benchmarks.text_to_image [--jobs 64] [--steps 12 25 50] [--rounds 3] [--engine onnxruntime]
"""

import argparse
import statistics
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import painting_jobs, plot
from benchmarks.brushwork_queue import add_defaults_option, brushwork_as_it_comes, ours, tuned_brushwork
from benchmarks.command import Benchmark, Options
from benchmarks.contestant import Contestant
from benchmarks.engine_entries import ENGINE_HELP, TORCH, save_with_engine
from benchmarks.in_process import InProcess, in_its_thread, serialized
from benchmarks.peer_choice import DEFAULTS, SHARE_OF_DEFAULTS, PeerChoice
from benchmarks.peers.stock import Painter
from benchmarks.plain_celery import Tuning, Work
from benchmarks.report import Row
from benchmarks.rounds import Seconds, Stage, per_job, take_turns, times_faster

CEILING = "ceiling: one static batch in process"
ALONE = "one at a time in process"
# Those that do one picture after another keep their rate, however many there are.
_SHARE_OF_SLOW = 4


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--jobs", type=int, default=64)
    parser.add_argument("--steps", type=int, nargs="+", default=[12, 25, 50])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", default=TORCH, help=ENGINE_HELP)
    add_defaults_option(parser)


def measure(options: Options, folder: Path) -> list[Row]:
    """Seconds of each contestant for each step count, in turns."""
    painter = in_its_thread(lambda: Painter(painting_jobs.MODEL))
    with ExitStack() as stack:
        contestants = _contestants(options, folder, painter, stack)
        rows: list[Row] = []
        for index, steps in enumerate(options.steps):
            print(f" {steps} steps", flush=True)
            rows += _rows(steps, *_seconds_each(contestants, options, steps, is_first=index == 0))
        return rows


def _contestants(options: Options, folder: Path, painter: Painter, stack: ExitStack) -> list[Contestant]:
    trial = painting_jobs.equal(min(16, options.jobs), options.steps[0])
    work = Work("paint", painting_jobs.MODEL)
    peers = PeerChoice(folder, work, trial, options.peers)
    celeries = peers.celeries(stack)
    litserves = peers.litserves(stack, [("LitServe, request batching", Tuning(), "group")])
    name = painting_jobs.MODEL.name
    catalogue = save_with_engine(name, options.engine, folder / "catalogue.toml")
    asked = {"kind": "text-to-image"}
    environment = {
        # Guidance doubles the rows of a picture.
        "BRUSHWORK_MAX_BATCH_ROWS": str(2 * options.jobs),
        "BRUSHWORK_MODELS": name,
        "BRUSHWORK_CATALOGUE": str(catalogue),
        "BRUSHWORK_CACHE_FILES": str(folder / "cache"),
    }
    queue = tuned_brushwork(
        stack,
        folder,
        asked,
        lambda queue: painting_jobs.equal(options.jobs, options.steps[0]),
        workers=options.workers,
        concurrency=options.jobs,
        environment=environment,
    )
    queues = [queue]
    if options.defaults:
        queues.append(brushwork_as_it_comes(stack, folder, asked, environment))
    own = [InProcess(CEILING, painter.paint), InProcess(ALONE, serialized(painter.paint))]
    everybody: list[Contestant] = [*queues, *own, *litserves, *celeries]
    for contestant in everybody:
        contestant.burst(trial[:2] if contestant.name == DEFAULTS else trial)
    return everybody


def _seconds_each(
    contestants: list[Contestant], options: Options, steps: int, *, is_first: bool
) -> tuple[Seconds, dict[str, int]]:
    """Seconds of each round, and how many jobs each contestant did in them."""
    taking_part = [one for one in contestants if is_first or one.name != DEFAULTS]
    counts = {one.name: max(1, options.jobs // _share(one.name, is_first)) for one in taking_part}
    turns = {
        one.name: partial(one.burst, painting_jobs.equal(counts[one.name], steps)) for one in taking_part
    }
    return take_turns(turns, options.rounds, Stage(contestants)), counts


def _share(name: str, is_first: bool) -> int:
    if name == DEFAULTS:
        return SHARE_OF_DEFAULTS
    return 1 if is_first or not name.startswith((ALONE, "plain Celery")) else _SHARE_OF_SLOW


def _rows(steps: int, seconds: Seconds, counts: dict[str, int]) -> list[Row]:
    each = per_job(seconds, counts)
    return [
        {
            "steps": steps,
            "contestant": name,
            "jobs": counts[name],
            "seconds": statistics.median(seconds[name]),
            "per_s": 1 / statistics.median(taken),
            "of_ceiling": times_faster(taken, each[CEILING]),
            "brushwork_is": times_faster(ours(each), taken),
            "rounds": seconds[name],
        }
        for name, taken in each.items()
    ]


def draw(rows: list[Row], file: Path) -> None:
    """Pictures per second, a panel for each step count."""
    panels: dict[str, dict[str, float]] = {}
    for row in rows:
        panels.setdefault(f"{row['steps']} steps", {})[row["contestant"]] = row["per_s"]
    plot.bars(file, panels, "pictures/s")


COLUMNS = {
    "steps": "steps",
    "contestant": "contestant",
    "jobs": "jobs",
    "seconds": "seconds, median",
    "per_s": "pictures/s",
    "of_ceiling": "of the ceiling",
    "brushwork_is": "brushwork is ... times as fast",
}

BENCHMARK = Benchmark(
    name="text_to_image",
    title="Pictures of equal step counts, all at once.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
