"""The time until the jobs of a dead worker are recovered and run again, with default settings.

python -m benchmarks.crash_detection [--rounds 10] [--lost 5]
"""

import argparse
import os
import signal
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_schemas.states import JobState
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
# `brushwork up` waits longer and longer before it restarts what dies again and again.
PER_STACK = 3
WORKER = {"kinds": KIND, "concurrency": str(JOBS_AT_ONCE)}
START_S = 120.0
# Of what is waited for: a lease, sweeps, the start of a worker, and the jobs before it, with room.
BOUND_S = 180.0
LOOK_S = 0.005
Kill = Callable[[], None]


@dataclass(frozen=True)
class Waits:
    """One kill: seconds until the ledger took back each job that it hit, and until the first ran again."""

    taken_back_s: tuple[float, ...]
    runs_again_s: float


@dataclass(frozen=True)
class Way:
    """A way to die.

    Args:
        title: Its row in the table.
        play: Kills so many times, in a stack in a folder that does not exist yet.
        hidden: Whether nobody else may see that the process has ended.
    """

    title: str
    play: Callable[[Path, int], Iterator[Waits]]
    hidden: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.set_defaults(peers="none")
    parser.add_argument("--rounds", type=int, default=10, help="killed processes, three per stack")
    parser.add_argument("--lost", type=int, default=5, help="lost containers and hosts")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="failures to measure")


def measure(options: Options, folder: Path) -> list[Row]:
    """Every way to die."""
    chosen = [WAYS[name] for name in options.ways]
    if not can_hide():
        print(" Nobody may make a space of process ids here: no rows for containers and hosts.")
        chosen = [way for way in chosen if not way.hidden]
    return [_row(way, options.lost if way.hidden else options.rounds, folder) for way in chosen]


def killed_under_up(folder: Path, times: int, *, workers: int) -> Iterator[Waits]:
    """`kill -9` of the worker that has been there longest, of those that `brushwork up` looks after."""
    with brushwork_up(
        KIND, folder, ASKED, concurrency=JOBS_AT_ONCE * workers, workers=workers, environment={}
    ) as queue:
        for _ in range(times):
            _wait_for(lambda: _num_ready(queue) == workers)
            victim = queue.client.workers()[0]
            yield _waits(queue, victim.name, workers, partial(os.kill, victim.pid, signal.SIGKILL))


def restarted(folder: Path, times: int, *, hidden: bool) -> Iterator[Waits]:
    """`kill -9` of a worker that is started again at once, under the name that it had."""
    with ExitStack() as stack:
        queue, addresses = stack.enter_context(bare_stack(folder))
        lives: list[NamedWorker] = []

        def start() -> None:
            life = NamedWorker("first", WORKER, addresses, folder / "worker.log", hidden=hidden)
            lives.append(stack.enter_context(life))

        def kill() -> None:
            lives[-1].kill()
            start()

        start()
        try:
            for _ in range(times):
                _wait_for(lambda: _num_ready(queue) == 1)
                yield _waits(queue, "first", 1, kill)
        finally:
            # What hides it does not hand on a wish to end.
            lives[-1].kill()


def host_lost(folder: Path, times: int) -> Iterator[Waits]:
    """`kill -9` of workers whose processes nobody else can see; their hosts do not come back."""
    log = folder / "worker.log"
    with (
        bare_stack(folder) as (queue, addresses),
        NamedWorker("left", WORKER, addresses, log, hidden=False),
    ):
        for number in range(times):
            with NamedWorker(f"lost-{number}", WORKER, addresses, log, hidden=True) as lost:
                _wait_for(partial(_are_ready, queue, lost.name, "left"))
                yield _waits(queue, lost.name, 2, lost.kill)


def _waits(queue: Queue, worker: str, num_workers: int, kill: Kill) -> Waits:
    """Give all workers as much as they can run, and kill the one whose name begins so."""
    work = [{**ASKED, "prompt": "a red circle"}] * (JOBS_AT_ONCE * num_workers)
    jobs = queue.client.submit_many(work)
    database = Database(queue.client.settings.database_url.get_secret_value())
    try:
        performed = partial(_performed_by, database, worker)
        _wait_for(lambda: len(performed()) == JOBS_AT_ONCE)
        fences = performed()
        began = time.perf_counter()
        kill()
        return _watch(database, fences, began)
    finally:
        database.close()
        for job in jobs:
            queue.client.cancel(job.id)
        for job in jobs:
            queue.client.wait(job.id)


def _wait_for(condition: Callable[[], bool]) -> None:
    wait_until(condition, bound_s=START_S, what="the workers and their work", look_s=LOOK_S)


def _are_ready(queue: Queue, *names: str) -> bool:
    ready = [worker.name for worker in queue.client.workers() if worker.ready]
    return all(any(name.startswith(f"{wanted}@") for name in ready) for wanted in names)


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
    """Look until all are taken back and one runs again; the others have to wait until they are alone."""
    taken_back: dict[str, float] = {}

    def runs_again() -> bool:
        lost = [row for row in _looked_up(database, fences) if row.fence > fences[row.id]]
        for row in lost:
            taken_back.setdefault(row.id, time.perf_counter() - began)
        return len(lost) == len(fences) and any(row.is_performing for row in lost)

    wait_until(runs_again, bound_s=BOUND_S, what="another run", look_s=LOOK_S)
    return Waits(tuple(taken_back.values()), time.perf_counter() - began)


def _looked_up(database: Database, ids: Collection[str]) -> Sequence[Any]:
    columns = select(JOBS.c.id, JOBS.c.state, JOBS.c.fence, JOBS.c.is_performing)
    with database.reading() as connection:
        return connection.execute(columns.where(JOBS.c.id.in_(ids))).all()


def _row(way: Way, times: int, place: Path) -> Row:
    found = []
    for first in range(0, times, PER_STACK):
        folder = Path(mkdtemp(dir=place)) / "data"
        for waits in way.play(folder, min(PER_STACK, times - first)):
            found.append(waits)
            taken, again = max(waits.taken_back_s), waits.runs_again_s
            print(f"  {way.title:<36} taken back {taken:6.2f} s  runs again {again:6.2f} s", flush=True)
    all_taken = [seconds for waits in found for seconds in waits.taken_back_s]
    again_s = [waits.runs_again_s for waits in found]
    return {
        "way": way.title,
        "kills": times,
        "jobs": len(all_taken),
        "taken_median_s": statistics.median(all_taken),
        "taken_worst_s": max(all_taken),
        "again_median_s": statistics.median(again_s),
        "again_worst_s": max(again_s),
        "rounds": [[*waits.taken_back_s, waits.runs_again_s] for waits in found],
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
    titles = {"taken_worst_s": "taken back, worst, s", "again_median_s": "the first runs again, median, s"}
    plot.bars(file, {title: {row["way"]: row[key] for row in rows} for key, title in titles.items()}, "")


COLUMNS = {
    "way": "what was killed",
    "kills": "kills",
    "jobs": "jobs hit",
    "taken_median_s": "taken back, median, s",
    "taken_worst_s": "worst, s",
    "again_median_s": "the first runs again, median, s",
    "again_worst_s": "worst, s",
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
