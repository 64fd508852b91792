"""Contestants without queue or server: direct calls of library classes in this process, one at a time."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from brushwork_workers.device.cpu import keep_memory

from benchmarks.contestant import Job
from benchmarks.program import Program

_Made = TypeVar("_Made")
# All of them share it: torch gives every thread that computes helpers of its own, and with more helpers
# than cores all are slower.
_THREAD = ThreadPoolExecutor(1)
# As brushwork's workers do; what is left between them is the queue.
keep_memory()


def in_its_thread(make: Callable[[], _Made]) -> _Made:
    """What `make` returns, called in the thread of all contestants of this process: it may compute."""
    return _THREAD.submit(make).result()


class InProcess:
    """Does its jobs in one thread, in the order in which they come.

    Args:
        name: Its row in the table.
        do: Does jobs that came together.
    """

    def __init__(self, name: str, do: Callable[[Sequence[Job]], object]) -> None:
        self.name = name
        self._do = do

    @property
    def programs(self) -> Sequence[Program]:
        """None: it is this process."""
        return ()

    def answer(self, job: Job) -> None:
        """Wait for those that came before, then for this one."""
        in_its_thread(lambda: self._do([job]))

    def burst(self, jobs: Sequence[Job]) -> float:
        """All of them in one call."""
        began = time.perf_counter()
        in_its_thread(lambda: self._do(jobs))
        return time.perf_counter() - began


def serialized(do: Callable[[Sequence[Job]], object]) -> Callable[[Sequence[Job]], object]:
    """`do` for each job alone, one after another."""
    return lambda jobs: [do([job]) for job in jobs]
