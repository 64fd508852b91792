"""What the batcher did: how large its runs were, how long calls waited, why they were not larger."""

import threading
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.scheduler import CallBatch


@dataclass(frozen=True)
class BatchStats:
    """A run that ended well.

    Args:
        run: What was chosen, and why.
        options: Of its first call.
        began_s: When, by a monotonic clock.
        took_s: How long the module ran.
    """

    run: CallBatch
    options: CallOptions
    began_s: float
    took_s: float


@dataclass
class Tally:
    """Sums over the runs of one module."""

    runs: int = 0
    calls: int = 0
    rows: int = 0
    room: int = 0
    busy_s: float = 0.0
    waited_s: float = 0.0
    longest_wait_s: float = 0.0
    sizes: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(self, ran: BatchStats) -> None:
        """Count one run."""
        waits = [ran.began_s - call.since_s for call in ran.run.calls]
        self.runs += 1
        self.calls += len(waits)
        self.rows += ran.run.rows
        self.sizes[ran.run.rows] += 1
        self.room += max(ran.run.room, ran.run.rows)
        self.busy_s += ran.took_s
        self.waited_s += sum(waits)
        self.longest_wait_s = max(self.longest_wait_s, *waits)
        self.reasons[ran.run.reason] += 1
        self.passed_over.update(ran.run.passed_over)

    def summary(self) -> dict[str, Any]:
        """The figures people ask for; times in seconds.

        Returns:
            `mean_calls` and `mean_rows` of a run, `occupancy` (rows / most rows, 0 to 1), `mean_wait_s` and
            `longest_wait_s` of a call, `busy_s`, `ran_because` (full, complete, lingered, alone) and
            `passed_over` (no room, other arguments, other module) as counts.
        """
        return {
            "runs": self.runs,
            "mean_calls": round(self.calls / self.runs, 2),
            "mean_rows": round(self.rows / self.runs, 2),
            "occupancy": round(self.rows / self.room, 3),
            "mean_wait_s": round(self.waited_s / self.calls, 5),
            "longest_wait_s": round(self.longest_wait_s, 5),
            "busy_s": round(self.busy_s, 3),
            "ran_because": dict(self.reasons),
            "passed_over": dict(self.passed_over),
        }


class BatchingStats:
    """Tallies by model and part, from the start of the process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._changing = threading.Lock()

    def add(self, ran: BatchStats) -> None:
        """Count one run."""
        with self._changing:
            self._tallies.setdefault(str(ran.options), Tally()).add(ran)

    def summary(self) -> dict[str, dict[str, Any]]:
        """`Tally.summary` of each module, by "<model> <part>"."""
        with self._changing:
            return {module: tally.summary() for module, tally in self._tallies.items()}

    def tallies(self) -> dict[str, Tally]:
        """A copy of each module's tally, by "<model> <part>"."""
        with self._changing:
            return {module: deepcopy(tally) for module, tally in self._tallies.items()}
