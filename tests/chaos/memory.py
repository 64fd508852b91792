"""What each process of a stack takes of the machine's memory, and how large a message in Redis is."""

import os
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import psutil

from tests.chaos.stack import Stack

LOOK_S = 0.2
MIB = 2**20


@dataclass
class Gauge:
    """One process, from the first look to the last; a worker's first is when it was ready."""

    name: str
    pid: int
    first_bytes: int
    most_bytes: int
    last_bytes: int
    num_jobs: int = 0

    @property
    def growth_bytes(self) -> int:
        return self.most_bytes - self.first_bytes


class Memory:
    """Looks again and again, in a thread, from `with` to its end.

    Args:
        stack: Whose; this process is its client.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._gauges: dict[int, Gauge] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory")
        self.largest_message_bytes = 0

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()
        jobs = Counter(note.pid for note in self._stack.journal.notes("begun"))
        for gauge in self._gauges.values():
            gauge.num_jobs = jobs[gauge.pid]

    @property
    def gauges(self) -> list[Gauge]:
        """Of every process, in the order of their starts."""
        return list(self._gauges.values())

    @property
    def workers(self) -> list[Gauge]:
        """Of the workers, living and dead."""
        return [gauge for gauge in self.gauges if gauge.num_jobs]

    def text(self) -> str:
        """A line for each process."""
        head = f"{'process':<24}{'before':>8}{'at most':>9}{'at the end':>12} MiB{'jobs run':>10}"
        return "\n".join(
            [head, *map(_line, self.gauges), f"largest message: {self.largest_message_bytes} bytes"]
        )

    def _run(self) -> None:
        while not self._ending.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        for name, pid in self._processes():
            try:
                size = psutil.Process(pid).memory_info().rss
            except psutil.NoSuchProcess:
                continue
            gauge = self._gauges.setdefault(pid, Gauge(name, pid, size, size, size))
            # A process that has been killed shows nothing any more until its parent has noticed.
            if size:
                gauge.most_bytes, gauge.last_bytes = max(gauge.most_bytes, size), size
        self._look_at_messages()

    def _processes(self) -> Iterable[tuple[str, int]]:
        assert self._stack.redis.process is not None
        yield "client", os.getpid()
        yield "redis-server", self._stack.redis.process.pid
        for worker in self._stack.ready_workers():
            yield f"worker {worker.name.partition('@')[0]}/{worker.pid}", worker.pid

    def _look_at_messages(self) -> None:
        with self._stack.redis.connect() as redis:
            lists = [redis.lrange(key, 0, -1) for key in self._stack.queues(redis)]
        sizes = [len(message) for messages in lists for message in messages]
        self.largest_message_bytes = max([self.largest_message_bytes, *sizes])


def _line(gauge: Gauge) -> str:
    sizes = (gauge.first_bytes / MIB, gauge.most_bytes / MIB, gauge.last_bytes / MIB)
    return f"{gauge.name:<24}{sizes[0]:8.1f}{sizes[1]:9.1f}{sizes[2]:12.1f}    {gauge.num_jobs or '':>10}"
