"""How soon a dead worker's jobs are taken back and run again, with the settings as they come.

python -m benchmarks.crash_detection [--rounds 10] [--lost 5]
"""

import argparse
import os
import signal
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from brushwork_schemas.database import Database
from brushwork_schemas.states import JobState
from brushwork_schemas.tables import JOBS
from sqlalchemy import select

from benchmarks import plot
from benchmarks.brushwork_queue import Queue, brushwork_up
from benchmarks.command import Benchmark, Options
from benchmarks.named_worker import NamedWorker, bare_stack, can_hide
from benchmarks.report import Row
from tests.servers import wait_until

KIND = "text-to-image"
ASKED = {"kind": KIND, "num_inference_steps": 40}
JOBS_AT_ONCE = 4
WORKER = {"kinds": KIND, "concurrency": str(JOBS_AT_ONCE)}
START_S = 120.0
# Of what is waited for: a lease, sweeps, the start of a worker, and the jobs before it, with room.
BOUND_S = 180.0
LOOK_S = 0.005
Kill = Callable[[], None]


@dataclass(frozen=True)
class Waits:
    """One kill: for each job that it hit, seconds until the ledger took it back, and until it ran again."""

    taken_back_s: tuple[float, ...]
    run_again_s: tuple[float, ...]


@dataclass(frozen=True)
class Way:
    """A way to die.

    Args:
        title: Its row in the table.
        play: Kills once, in a stack in a folder that does not exist yet.
        hidden: Whether nobody else may see that the process has ended.
    """

    title: str
    play: Callable[[Path], Waits]
    hidden: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """How much is measured."""
    parser.set_defaults(peers="none")
    parser.add_argument("--rounds", type=int, default=10, help="of processes; each of a stack of its own")
    parser.add_argument("--lost", type=int, default=5, help="containers and hosts")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="only these")


def measure(options: Options, folder: Path) -> list[Row]:
    """Every way to die, each time in a stack that has just begun."""
    chosen = [WAYS[name] for name in options.ways]
    if not can_hide():
        print(" Nobody may make a space of process ids here: no rows for containers and hosts.")
        chosen = [way for way in chosen if not way.hidden]
    return [_row(way, options.lost if way.hidden else options.rounds, folder) for way in chosen]


def killed_under_up(folder: Path, *, workers: int) -> Waits:
    """`kill -9` of one of the workers that `brushwork up` looks after."""
    with brushwork_up(
        KIND, folder, ASKED, concurrency=JOBS_AT_ONCE * workers, workers=workers, environment={}
    ) as queue:
        first = queue.client.workers()[0]
        return _waits(queue, first.name, workers, lambda: os.kill(first.pid, signal.SIGKILL))


def restarted(folder: Path, *, hidden: bool) -> Waits:
    """`kill -9` of a worker that is started again at once, under the name that it had."""
    with ExitStack() as stack:
        queue, addresses = stack.enter_context(bare_stack(folder))
        make = partial(NamedWorker, "first", WORKER, addresses, folder / "worker.log", hidden=hidden)
        lives = [stack.enter_context(make())]

        def kill() -> None:
            lives[-1].kill()
            lives.append(stack.enter_context(make()))
            # What hides it would wait for it.
            stack.callback(lives[-1].kill)

        return _waits(queue, "first", 1, kill)


def host_lost(folder: Path) -> Waits:
    """`kill -9` of a worker whose process nobody else can see; its host does not come back."""
    log = folder / "worker.log"
    with (
        bare_stack(folder) as (queue, addresses),
        NamedWorker("lost", WORKER, addresses, log, hidden=True) as lost,
        NamedWorker("left", WORKER, addresses, log, hidden=False),
    ):
        return _waits(queue, lost.name, 2, lost.kill)


def _waits(queue: Queue, worker: str, num_workers: int, kill: Kill) -> Waits:
    """Give all workers as much as they can run, and kill the one whose name begins so."""
    wait_until(lambda: _num_ready(queue) == num_workers, bound_s=START_S, what="the start", look_s=LOOK_S)
    queue.client.submit_many([{**ASKED, "prompt": "a red circle"}] * (JOBS_AT_ONCE * num_workers))
    database = Database(queue.client.settings.database_url.get_secret_value())
    try:
        performed = partial(_performed_by, database, worker)
        wait_until(lambda: len(performed()) == JOBS_AT_ONCE, bound_s=START_S, what="work", look_s=LOOK_S)
        fences = performed()
        began = time.perf_counter()
        kill()
        return _watch(database, fences, began)
    finally:
        database.close()


def _num_ready(queue: Queue) -> int:
    return sum(worker.ready for worker in queue.client.workers())


def _performed_by(database: Database, worker: str) -> dict[str, int]:
    """The fences of the jobs that it runs now."""
    running = select(JOBS.c.id, JOBS.c.fence).where(
        JOBS.c.state == JobState.RUNNING, JOBS.c.is_performing, JOBS.c.worker.startswith(worker)
    )
    with database.reading() as connection:
        return {row.id: row.fence for row in connection.execute(running)}


def _watch(database: Database, fences: Mapping[str, int], began: float) -> Waits:
    """Look until all of them run again; one that has to be alone runs once it is."""
    taken_back: dict[str, float] = {}
    again: dict[str, float] = {}

    def run_again() -> bool:
        lost = [row for row in _looked_up(database, fences) if row.fence > fences[row.id]]
        for row in lost:
            taken_back.setdefault(row.id, time.perf_counter() - began)
            if row.is_performing and row.state in (JobState.RUNNING, JobState.SUCCEEDED):
                again.setdefault(row.id, time.perf_counter() - began)
        return len(again) == len(fences)

    wait_until(run_again, bound_s=BOUND_S, what="another run of all jobs", look_s=LOOK_S)
    return Waits(tuple(taken_back.values()), tuple(again.values()))


def _looked_up(database: Database, ids: Collection[str]) -> Sequence[Any]:
    columns = select(JOBS.c.id, JOBS.c.state, JOBS.c.fence, JOBS.c.is_performing)
    with database.reading() as connection:
        return connection.execute(columns.where(JOBS.c.id.in_(ids))).all()


def _row(way: Way, times: int, folder: Path) -> Row:
    found = []
    for _ in range(times):
        waits = way.play(Path(mkdtemp(dir=folder)) / "data")
        found.append(waits)
        print(f"  {way.title:<36} taken back {max(waits.taken_back_s):6.2f} s", end="", flush=True)
        print(f"  run again {min(waits.run_again_s):6.2f} to {max(waits.run_again_s):6.2f} s", flush=True)
    taken = [seconds for waits in found for seconds in waits.taken_back_s]
    first = [min(waits.run_again_s) for waits in found]
    last = [max(waits.run_again_s) for waits in found]
    return {
        "way": way.title,
        "kills": times,
        "jobs": len(taken),
        "taken_median_s": statistics.median(taken),
        "taken_worst_s": max(taken),
        "first_median_s": statistics.median(first),
        "first_worst_s": max(first),
        "last_median_s": statistics.median(last),
        "rounds": [[list(waits.taken_back_s), list(waits.run_again_s)] for waits in found],
    }


WAYS = {
    "up-one": Way("brushwork up, one worker", partial(killed_under_up, workers=1)),
    "up-two": Way("brushwork up, two workers", partial(killed_under_up, workers=2)),
    "restarted": Way("restarted at once under its name", partial(restarted, hidden=False)),
    "container": Way("container made anew under its name", partial(restarted, hidden=True), hidden=True),
    "host": Way("host lost, another worker goes on", host_lost, hidden=True),
}


def draw(rows: list[Row], file: Path) -> None:
    """Taken back, and run again."""
    titles = {"taken_worst_s": "taken back, worst, s", "first_median_s": "first runs again, median, s"}
    plot.bars(file, {title: {row["way"]: row[key] for row in rows} for key, title in titles.items()}, "")


COLUMNS = {
    "way": "what was killed",
    "kills": "kills",
    "jobs": "jobs hit",
    "taken_median_s": "taken back, median, s",
    "taken_worst_s": "worst, s",
    "first_median_s": "the first runs again, median, s",
    "first_worst_s": "worst, s",
    "last_median_s": "the last, median, s",
}

BENCHMARK = Benchmark(
    name="crash_detection",
    title="How soon a dead worker's jobs run again.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
