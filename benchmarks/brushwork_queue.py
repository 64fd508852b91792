"""brushwork as a contestant: a whole stack as started by `brushwork up`, used through the public client."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from brushwork.client import Client
from brushwork_core.settings.environment import ENV_FILE
from brushwork_core.settings.settings import Settings

from benchmarks.contestant import Job
from benchmarks.program import Program
from benchmarks.rounds import OURS, quickest

# A worker that could run nothing for 20 s ends itself. Here all contestants are stopped while others run.
NO_LIMIT_OF_PAUSES = {"BRUSHWORK_FROZEN_S": "86400"}
AS_IT_COMES = f"{OURS}, as it comes"
_Figures = TypeVar("_Figures")


class Queue:
    """A client of a running stack; a job is done once its result is in the ledger.

    Args:
        settings: Where the stack is.
        asked: What all its jobs ask for: the kind, and the model if it is not the default.
        name: Its row in the table.
    """

    def __init__(self, settings: Settings, asked: Mapping[str, Any], name: str = OURS) -> None:
        self.name = name
        self.programs: list[Program] = []
        self.client = Client(settings=settings)
        self._asked = dict(asked)

    def answer(self, job: Job) -> None:
        """Submit and wait."""
        submitted = self.client.submit_many([{**job, **self._asked}])[0]
        self.client.wait(submitted.id).raise_for_state()

    def burst(self, jobs: Sequence[Job]) -> float:
        """From before the submit to the last `finished_at` in the ledger."""
        # The ledger's times are those of this machine's clock, which perf_counter does not read.
        began = time.time()
        submitted = self.client.submit_many([{**job, **self._asked} for job in jobs])
        for job in reversed(submitted):
            self.client.wait(job.id)
        ended = [job.raise_for_state().finished_at for job in self.client.list(limit=len(jobs))]
        return max(moment.timestamp() for moment in ended if moment) - began

    def close(self) -> None:
        """Close its connections."""
        self.client.close()


@contextmanager
def brushwork_up(
    name: str,
    folder: Path,
    asked: Mapping[str, Any],
    *,
    concurrency: int,
    workers: int | None,
    environment: Mapping[str, str],
) -> Iterator[Queue]:
    """`brushwork up` on a new data folder: Redis with its append-only file, SQLite, files and workers.

    Args:
        name: Its row in the table.
        folder: Which does not exist yet.
        asked: What all jobs ask for.
        concurrency: Jobs at once, of all workers together.
        workers: How many; they divide the cores. None for what `brushwork up` chooses, jobs at once, too.
        environment: Added to this process's.
    """
    argv = [sys.executable, "-m", "brushwork", "up", "--data", str(folder), "--no-flower"]
    argv += ["--kinds", asked["kind"]]
    if workers is not None:
        argv += ["--workers", str(workers), "--concurrency", str(-(-concurrency // workers))]
    env_file, log = folder / ENV_FILE, folder.with_name(f"{folder.name}.log")
    with Program(argv, log, env_file.is_file, {**environment, **NO_LIMIT_OF_PAUSES}) as program:
        # A client checks what it submits by the same catalogue as the worker.
        catalogue = environment.get("BRUSHWORK_CATALOGUE")
        queue = Queue(Settings(_env_file=env_file, catalogue=catalogue), asked, name)
        queue.programs = [program]
        try:
            yield queue
        finally:
            queue.close()


def tuned_brushwork(
    stack: ExitStack,
    folder: Path,
    asked: Mapping[str, Any],
    trial: Callable[[Queue], Sequence[Job]],
    *,
    workers: Sequence[int],
    concurrency: int,
    environment: Mapping[str, str],
) -> Queue:
    """The quickest: one worker with all cores, or several that divide them.

    Args:
        stack: Ends it.
        folder: For the data folders.
        asked: What all jobs ask for.
        trial: The jobs by which it is found.
        workers: The numbers of workers to try.
        concurrency: Jobs at once, of all workers together.
        environment: Added to this process's.
    """
    cores = os.cpu_count() or 1
    ways = {f"{OURS}, {count} x {max(1, cores // count)} threads": count for count in workers}

    def make(name: str, data: str) -> AbstractContextManager[Queue]:
        count = ways[name]
        return brushwork_up(
            name, folder / data, asked, concurrency=concurrency, workers=count, environment=environment
        )

    makers = {name: partial(make, name, f"trial-{count}") for name, count in ways.items()}
    return stack.enter_context(make(quickest(makers, trial), "data"))


def add_defaults_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--defaults`."""
    parser.add_argument(
        "--defaults", action="store_true", help="brushwork up without options takes part, too"
    )


def brushwork_as_it_comes(
    stack: ExitStack, folder: Path, asked: Mapping[str, Any], environment: Mapping[str, str]
) -> Queue:
    """`brushwork up` without options, for those who tune nothing.

    Args:
        stack: Ends it.
        folder: For the data folder.
        asked: What all its jobs ask for.
        environment: Added to this process's; the same as for the tuned one.
    """
    made = brushwork_up(
        AS_IT_COMES, folder / "as-it-comes", asked, concurrency=0, workers=None, environment=environment
    )
    return stack.enter_context(made)


def ours(seconds: Mapping[str, _Figures]) -> _Figures:
    """The row of our own, however it is tuned."""
    return next(figures for name, figures in seconds.items() if name.startswith(OURS))
