"""Waiting calls, and groups of those that may share a batch: how long a group waits, and what it takes."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from brushwork_workers.batching.budget import BatchBudget
from brushwork_workers.batching.call_graph import CallPosition
from brushwork_workers.batching.row_cost import RowCost

SHORTEST_TIMEOUT_S = 0.001
LONGEST_TIMEOUT_S = 0.05
TIMEOUT_SHARE = 0.25
# While callers are known to run. A batch without them delays them by as much as it takes.
SHORTEST_TIMEOUT_OF_RUNNING_S = 0.25
LONGEST_TIMEOUT_OF_RUNNING_S = 1.0
HEAD_START_S = 1.0
# From this share of one more call on, calls run alone. A batch would be faster by a twentieth at most.
ALONE_SHARE = 0.95
# The pause between two batches must not count: shorter calls always share.
ALONE_FROM_S = 0.05
# A job that comes while a batch of extra calls runs waits for its end. So a batch takes about that long, but
# has at least so many rows: a large network gains by sharing, too.
EXTRA_BATCH_S = 0.25
LEAST_EXTRA_ROWS = 16


@dataclass(frozen=True, eq=False)
class WaitingCall:
    """A call that waits to be run.

    Args:
        caller: The job or thread that waits for the answer; it has one call at a time.
        module: The module that is called; each module has a budget.
        key: Calls of equal keys may run together. Keys of different modules differ.
        since_s: When it began to wait, in seconds of a monotonic clock.
        rows: Length of its batch axis.
        pixels: Pixels of all its rows.
        max_rows: Most rows of a batch of its module; None for the scheduler's limit.
        priority: Steps of priority; a higher number is more urgent, 0 is normal.
        comes_back: Whether its caller may call again soon, so that others should wait for it.
        job_since_s: When its job began, on the same clock; None for `since_s`.
        is_extra: Whether it is an extra call, which runs after the own calls of all jobs.
    """

    caller: Hashable
    module: Hashable
    key: Hashable
    since_s: float
    rows: int = 1
    pixels: int = 1
    max_rows: int | None = None
    priority: int = 0
    comes_back: bool = True
    job_since_s: float | None = None
    is_extra: bool = False

    @property
    def group_key(self) -> Hashable:
        """What is equal for the calls of one group."""
        return self.key, self.is_extra

    @property
    def rank(self) -> float:
        """The order of calls: the lowest rank runs first."""
        return self.since_s - self.priority * HEAD_START_S

    @property
    def job_rank(self) -> float:
        """The order of jobs whose calls run alone."""
        since_s = self.since_s if self.job_since_s is None else self.job_since_s
        return since_s - self.priority * HEAD_START_S


@dataclass(frozen=True)
class CallBatch:
    """Calls of one key that are to be run together now.

    Args:
        calls: At least one call.
        reason: Why now: "full", "complete" (all expected callers are here) or "lingered" (the timeout is
            over).
        max_rows: Most rows that a batch of this module may have.
        passed_over: How many other calls wait, by the reason why they are not in the batch: "no room", "other
            arguments" (of the same module) or "other module".
    """

    calls: tuple[WaitingCall, ...]
    reason: str
    max_rows: int = 1
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all its calls."""
        return sum(call.rows for call in self.calls)

    @property
    def pixels(self) -> int:
        """Pixels of all its calls."""
        return sum(call.pixels for call in self.calls)


def timeout_after(took_s: float, *, callers_run: bool) -> float:
    """Return for how many seconds callers of a batch are waited for.

    Args:
        took_s: The duration of the batch in seconds.
        callers_run: Whether some callers are known to run.
    """
    if callers_run:
        return min(max(took_s, SHORTEST_TIMEOUT_OF_RUNNING_S), LONGEST_TIMEOUT_OF_RUNNING_S)
    return min(max(TIMEOUT_SHARE * took_s, SHORTEST_TIMEOUT_S), LONGEST_TIMEOUT_S)


@dataclass
class CallGroup:
    """The waiting calls of one key, either all own or all extra ones, and the last batch of that key.

    Args:
        budget: How large a batch may be.
        cost: What one more call of the key costs.
        is_extra: Whether the calls are extra calls.
    """

    budget: BatchBudget
    cost: RowCost = field(default_factory=RowCost)
    is_extra: bool = False
    calls: list[WaitingCall] = field(default_factory=list)
    last_took_s: float | None = None
    last_rows: int = 0
    ended_s: float = float("-inf")
    runs_alone: bool = False
    last_calls: tuple[WaitingCall, ...] = ()

    @property
    def rank(self) -> float:
        """The order of groups: the lowest rank runs first."""
        # Calls of younger jobs, which wait for their turn, would pass for ever for the oldest of all.
        return self.of_oldest_job.rank if self.runs_alone else min(call.rank for call in self.calls)

    @property
    def of_oldest_job(self) -> WaitingCall:
        """The call whose job is the oldest."""
        return min(self.calls, key=lambda call: call.job_rank)

    def ended(self, batch: CallBatch, took_s: float, now_s: float) -> None:
        """Record the duration of a batch, and decide whether the next calls run alone."""
        self.last_took_s, self.ended_s, self.last_calls = took_s, now_s, batch.calls
        self.last_rows = batch.rows
        self.cost.observe(batch.rows, took_s, now_s)
        measured = self.cost.one_more(min(call.rows for call in batch.calls), now_s)
        if measured is None:
            # One call alone, now and then, shows what the others cost. Short calls share in any case.
            is_long = len(batch.calls) > 1 and took_s / len(batch.calls) >= ALONE_FROM_S
            self.runs_alone = is_long and self.cost.is_known(batch.rows, now_s)
        else:
            self.runs_alone = measured[0] >= ALONE_FROM_S and measured[1] >= ALONE_SHARE

    @property
    def max_rows(self) -> int:
        """Most rows of its next batch."""
        if not self.is_extra or not self.last_took_s or not self.last_rows:
            return self.budget.max_rows
        rows = int(EXTRA_BATCH_S * self.last_rows / self.last_took_s)
        return min(self.budget.max_rows, max(LEAST_EXTRA_ROWS, rows))

    def timeout_at_s(self, *, callers_run: bool) -> float:
        """When its calls run in any case."""
        timeout_s = timeout_after(self.last_took_s or 0.0, callers_run=callers_run)
        return max(self.calls[0].since_s, self.ended_s) + timeout_s

    @property
    def position(self) -> CallPosition:
        """Where its callers are after their calls."""
        return CallPosition(self.calls[0].module, self.calls[0].key)

    def reason(self, now_s: float, *, expects_others: bool, callers_run: bool) -> str | None:
        """Why it should run now; None if it should wait."""
        rows, pixels = sum(call.rows for call in self.calls), sum(call.pixels for call in self.calls)
        is_full = rows >= self.max_rows or pixels >= self.budget.max_pixels
        if is_full and not self.runs_alone:
            return "full"
        if self.last_took_s is not None and not expects_others:
            return "complete"
        return "lingered" if now_s >= self.timeout_at_s(callers_run=callers_run) else None

    def take(self) -> tuple[WaitingCall, ...]:
        """Remove and return the first calls, as many as fit and at least one."""
        if self.runs_alone:
            first = self.of_oldest_job
            self.calls.remove(first)
            return (first,)
        taken: list[WaitingCall] = []
        rows = pixels = 0
        for call in sorted(self.calls, key=lambda call: call.rank):
            rows, pixels = rows + call.rows, pixels + call.pixels
            if taken and not (rows <= self.max_rows and self.budget.allows(rows, pixels)):
                break
            taken.append(call)
        self.calls = [call for call in self.calls if call not in taken]
        return tuple(taken)
