"""Statistics of batches: how large they were, how long calls waited, and why batches were not larger."""

import threading
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from brushwork_workers.batching.call_groups import CallBatch
from brushwork_workers.batching.call_options import CallOptions


@dataclass(frozen=True)
class BatchStats:
    """A batch that succeeded.

    Args:
        batch: Its calls, and why it was run when it was.
        options: Options of its first call.
        began_s: When it began, in monotonic seconds.
        took_s: How long the module ran, in seconds.
    """

    batch: CallBatch
    options: CallOptions
    began_s: float
    took_s: float


@dataclass
class Tally:
    """Sums over the batches of one module."""

    batches: int = 0
    calls: int = 0
    rows: int = 0
    max_rows: int = 0
    busy_s: float = 0.0
    waited_s: float = 0.0
    longest_wait_s: float = 0.0
    sizes: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(self, stats: BatchStats) -> None:
        """Count one batch."""
        waits = [stats.began_s - call.since_s for call in stats.batch.calls]
        self.batches += 1
        self.calls += len(waits)
        self.rows += stats.batch.rows
        self.sizes[stats.batch.rows] += 1
        self.max_rows += max(stats.batch.max_rows, stats.batch.rows)
        self.busy_s += stats.took_s
        self.waited_s += sum(waits)
        self.longest_wait_s = max(self.longest_wait_s, *waits)
        self.reasons[stats.batch.reason] += 1
        self.passed_over.update(stats.batch.passed_over)

    def summary(self) -> dict[str, Any]:
        """Summarise the sums; times are in seconds.

        Returns:
            `runs` (the number of batches), `mean_calls` and `mean_rows` of a batch, `occupancy` (rows / most
            rows, 0 to 1), `mean_wait_s` and `longest_wait_s` of a call, `busy_s`, and as counts `ran_because`
            (full, complete, lingered, alone) and `passed_over` (no room, other arguments, other module).
        """
        return {
            "runs": self.batches,
            "mean_calls": round(self.calls / self.batches, 2),
            "mean_rows": round(self.rows / self.batches, 2),
            "occupancy": round(self.rows / self.max_rows, 3),
            "mean_wait_s": round(self.waited_s / self.calls, 5),
            "longest_wait_s": round(self.longest_wait_s, 5),
            "busy_s": round(self.busy_s, 3),
            "ran_because": dict(self.reasons),
            "passed_over": dict(self.passed_over),
        }


class BatchingStats:
    """Sums by model and module since the start of the process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._changing = threading.Lock()

    def add(self, stats: BatchStats) -> None:
        """Count one batch."""
        with self._changing:
            self._tallies.setdefault(stats.options.label, Tally()).add(stats)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return `Tally.summary` of each module, by "<model> <part>"."""
        with self._changing:
            return {module: tally.summary() for module, tally in self._tallies.items()}

    def tallies(self) -> dict[str, Tally]:
        """Return a copy of each module's sums, by "<model> <part>"."""
        with self._changing:
            return {module: deepcopy(tally) for module, tally in self._tallies.items()}
