"""Contestants without a queue or a server: calls of stock classes in this process, one at a time."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.contestant import Job


class InProcess:
    """Does its jobs in one thread, in the order in which they come.

    Args:
        name: Its row in the table.
        do: Does jobs that came together.
    """

    def __init__(self, name: str, do: Callable[[Sequence[Job]], object]) -> None:
        self.name = name
        self._do = do
        self._thread = ThreadPoolExecutor(1)

    def answer(self, job: Job) -> None:
        """Wait for those that came before, then for this one."""
        self._thread.submit(self._do, [job]).result()

    def burst(self, jobs: Sequence[Job]) -> float:
        """All of them in one call."""
        began = time.perf_counter()
        self._thread.submit(self._do, jobs).result()
        return time.perf_counter() - began


def one_at_a_time(do: Callable[[Sequence[Job]], object]) -> Callable[[Sequence[Job]], object]:
    """`do` for each job alone, one after another."""
    return lambda jobs: [do([job]) for job in jobs]
