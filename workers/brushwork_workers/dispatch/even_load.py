"""Divides waiting jobs evenly between the workers of a small fleet.

A message wakes one worker, which may run jobs already while another is idle, and which may have room for all
jobs that wait. It takes its share and wakes the others. What nobody takes within a moment it takes after all:
no job waits long for a worker that is slow.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brushwork_core.queries.worker_load import WorkerLoads

# Time for the others, in seconds.
PATIENCE_S = 0.02
# In larger fleets it would cost more to count all running jobs than it saves.
MOST_WORKERS = 8


@dataclass(frozen=True)
class Share:
    """What a worker takes now.

    Args:
        number: How many jobs at most.
        again_s: Seconds after which it should look again; None if nothing was left for others.
    """

    number: int
    again_s: float | None = None


class EvenLoad:
    """The share of one worker. For one thread at a time.

    Args:
        loads: Counts jobs.
        worker: Name of this worker.
        kinds: The kinds that it serves.
        num_others: Returns how many other ready workers serve one of them, as of a moment ago.
        wake_others: Called when jobs are left for them.
    """

    def __init__(
        self,
        loads: WorkerLoads,
        worker: str,
        kinds: Sequence[str],
        *,
        num_others: Callable[[], int],
        wake_others: Callable[[], None],
    ) -> None:
        self._loads = loads
        self._worker = worker
        self._kinds = tuple(kinds)
        self._num_others = num_others
        self._wake_others = wake_others
        self._left_until: float | None = None

    def share(self, limit: int) -> Share:
        """Return how many jobs to take, of as many as there is room for.

        Args:
            limit: Number of jobs that could begin.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        others = self._num_others()
        if not 0 < others < MOST_WORKERS:
            return Share(limit)
        load = self._loads.load(self._kinds, self._worker, limit)
        even = -(-(load.waiting + load.running) // (others + 1))
        number = min(limit, max(0, even - load.own))
        if number >= min(limit, load.waiting):
            self._left_until = None
            return Share(limit if load.waiting else 0)
        if self._left_until is not None and time.monotonic() >= self._left_until:
            # The others had their time.
            self._left_until = None
            return Share(limit)
        if self._left_until is None:
            self._left_until = time.monotonic() + PATIENCE_S
            self._wake_others()
        return Share(number, PATIENCE_S)
