"""Which waiting calls run next, together with which others, and how long to wait for more.

The rules, and why:

- **Groups.** Calls with equal keys (module, shapes, number formats, static arguments) can share one batch.
- **Waiting for callers to return.** A denoising job calls the same module again within a moment. So a group
  waits for the callers of its last batch that have not called anything since: with them the batch stays
  whole. Once all are back, the batch runs at once.
- **Waiting for callers on their way.** Jobs that begin together do not arrive together: each has first to be
  claimed, to read its picture, to call the text encoder. So a group also waits for jobs that are between two
  calls, if jobs went from there to this module before (`CallGraph`). Else the first ones would run in small
  batches, a step ahead of the others until their end.
- **One wait per call.** A job that missed the batch timeout is not waited for until it calls again.
- **A bounded timeout.** A job that is slow to return (decoding a picture, asking the ledger) must not delay
  the others: a group waits at most a fraction of its last batch's duration, within fixed bounds. A new
  group waits the shortest bound, for jobs that were submitted together.
- **Callers that run are waited for longer.** While callers are known to run, a group waits as long as its
  last batch took, but at least a quarter of a second and at most a second.
- **The timeout begins when the group could run.** Calls that arrived while the group's last batch was running
  wait for its callers, too. Else two halves of a batch would take turns for ever and never become one.
- **Oldest first.** Among the groups that are ready, the one with the oldest call runs. So no stream of other
  calls can starve a group: its oldest call only grows older.
- **Priority is a head start.** Each step of priority makes a call count as `HEAD_START_S` older. Urgent calls
  overtake others, and still every call runs in the end.
- **No idle waiting.** While a group waits, another one that is ready runs.
- **A size that fits.** A batch stays within its module's `BatchBudget`.
- **No batch that gains nothing.** If one more call costs as much as a batch of its own (`RowCost`), sharing
  makes every job end as late as the last one. Such calls run alone, those of the oldest job first: the device
  computes as many rows a second, and jobs end one after another.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from brushwork_workers.batching.budget import BatchBudget
from brushwork_workers.batching.call_graph import CallGraph, CallPosition
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
MAX_GROUPS = 256


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


@dataclass(frozen=True)
class Wait:
    """No batch is ready. Ask again at `at_s`, or when a call arrives; None: only when a call arrives."""

    at_s: float | None


@dataclass
class _Group:
    """The waiting calls of one key, and the last batch of that key."""

    budget: BatchBudget
    calls: list[WaitingCall] = field(default_factory=list)
    last_took_s: float | None = None
    ended_s: float = float("-inf")
    cost: RowCost = field(default_factory=RowCost)
    runs_alone: bool = False
    last_calls: tuple[WaitingCall, ...] = ()

    @property
    def rank(self) -> float:
        # Calls of younger jobs, which wait for their turn, would pass for ever for the oldest of all.
        return self.of_oldest_job.rank if self.runs_alone else min(call.rank for call in self.calls)

    @property
    def of_oldest_job(self) -> WaitingCall:
        return min(self.calls, key=lambda call: call.job_rank)

    def ended(self, batch: CallBatch, took_s: float, now_s: float) -> None:
        self.last_took_s, self.ended_s, self.last_calls = took_s, now_s, batch.calls
        self.cost.observe(batch.rows, took_s, now_s)
        measured = self.cost.one_more(min(call.rows for call in batch.calls), now_s)
        if measured is None:
            # One call alone, now and then, shows what the others cost. Short calls share in any case.
            is_long = len(batch.calls) > 1 and took_s / len(batch.calls) >= ALONE_FROM_S
            self.runs_alone = is_long and self.cost.is_known(batch.rows, now_s)
        else:
            self.runs_alone = measured[0] >= ALONE_FROM_S and measured[1] >= ALONE_SHARE

    def timeout_at_s(self, *, callers_run: bool) -> float:
        took_s = self.last_took_s or 0.0
        if callers_run:
            timeout_s = min(max(took_s, SHORTEST_TIMEOUT_OF_RUNNING_S), LONGEST_TIMEOUT_OF_RUNNING_S)
        else:
            timeout_s = min(max(TIMEOUT_SHARE * took_s, SHORTEST_TIMEOUT_S), LONGEST_TIMEOUT_S)
        return max(self.calls[0].since_s, self.ended_s) + timeout_s

    @property
    def position(self) -> CallPosition:
        return CallPosition(self.calls[0].module, self.calls[0].key)

    def reason(self, now_s: float, *, expects_others: bool, callers_run: bool) -> str | None:
        """Why it should run now; None if it should wait."""
        rows, pixels = sum(call.rows for call in self.calls), sum(call.pixels for call in self.calls)
        is_full = rows >= self.budget.max_rows or pixels >= self.budget.max_pixels
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
            if taken and not self.budget.allows(rows, pixels):
                break
            taken.append(call)
        self.calls = [call for call in self.calls if call not in taken]
        return tuple(taken)


class Scheduler:
    """Chooses batches. Has no lock and reads no clock; all times are seconds of one monotonic clock.

    Args:
        max_rows: Most rows of one batch.
        max_pixels: Most pixels of one batch.
    """

    def __init__(self, max_rows: int, max_pixels: int) -> None:
        self._max_rows = max_rows
        self._max_pixels = max_pixels
        self._budgets: dict[Hashable, BatchBudget] = {}
        self._groups: dict[Hashable, _Group] = {}
        self._call_graph = CallGraph()

    def caller_began(self, caller: Hashable, model: Hashable) -> None:
        """Expect calls of a caller, in the order of other callers that began with the same model."""
        self._call_graph.expect(caller, CallPosition(("begin", model)))

    def call_arrived(self, call: WaitingCall) -> None:
        """Add a waiting call."""
        self._call_graph.called(call.caller, call.module)
        self._group(call).calls.append(call)

    def caller_left(self, caller: Hashable) -> None:
        """Expect no more calls of a caller, and withdraw its waiting call."""
        self._call_graph.left(caller)
        for group in self._groups.values():
            group.calls = [call for call in group.calls if call.caller != caller]
            group.last_calls = tuple(call for call in group.last_calls if call.caller != caller)

    def next_batch(self, now_s: float, *, callers_run: bool = False) -> CallBatch | Wait:
        """Choose the batch to run now, or return when to ask again.

        Args:
            now_s: The time.
            callers_run: Whether some callers are known to run now, so that their next calls come soon.
        """
        waiting = [group for group in self._groups.values() if group.calls]
        for group in sorted(waiting, key=lambda group: group.rank):
            position = group.position
            expects_others = self._expects_others(group, position)
            reason = group.reason(now_s, expects_others=expects_others, callers_run=callers_run)
            if reason:
                if reason == "lingered":
                    self._call_graph.stop_expecting(position)
                calls = group.take()
                return CallBatch(calls, reason, group.budget.max_rows, self._passed_over(calls[0]))
        timeouts = [group.timeout_at_s(callers_run=callers_run) for group in waiting]
        return Wait(min(timeouts) if timeouts else None)

    def _expects_others(self, group: _Group, position: CallPosition) -> bool:
        if not group.runs_alone:
            return self._call_graph.is_expected(position)
        # Only for an older job, which otherwise would take turns with this one.
        first = group.of_oldest_job
        older = [call for call in group.last_calls if call.job_rank < first.job_rank]
        return any(self._call_graph.expects(call.caller, position) for call in older)

    def batch_answered(self, batch: CallBatch) -> None:
        """Record that a batch fitted into memory: its callers get their answers and may call again."""
        group = self._group(batch.calls[0])
        group.budget.succeeded(batch.pixels)
        for call in batch.calls:
            if call.comes_back:
                self._call_graph.expect(call.caller, CallPosition(call.module, call.key))

    def batch_ended(self, batch: CallBatch, took_s: float, now_s: float) -> None:
        """Record the duration of a batch; the device is free again."""
        self._group(batch.calls[0]).ended(batch, took_s, now_s)

    def batch_too_large(self, batch: CallBatch) -> None:
        """Make the next batches of the module smaller, because this one did not fit."""
        self._group(batch.calls[0]).budget.failed(batch.pixels)

    def batch_out_of_memory(self, batch: CallBatch) -> None:
        """Put the calls of a batch that did not fit back, first in line for smaller batches."""
        self.batch_too_large(batch)
        group = self._group(batch.calls[0])
        group.calls = [*batch.calls, *group.calls]

    def _passed_over(self, taken: WaitingCall) -> Counter[str]:
        return Counter(_difference(call, taken) for group in self._groups.values() for call in group.calls)

    def _group(self, call: WaitingCall) -> _Group:
        # A group may be forgotten while its calls run; it is then created again when they have ended.
        if call.key not in self._groups:
            self._forget_empty_groups()
            self._groups[call.key] = _Group(self._budget(call))
        return self._groups[call.key]

    def _budget(self, call: WaitingCall) -> BatchBudget:
        if call.module not in self._budgets:
            self._budgets[call.module] = BatchBudget(call.max_rows or self._max_rows, self._max_pixels)
        return self._budgets[call.module]

    def _forget_empty_groups(self) -> None:
        # Each size and each module makes a key, so their number must be bounded.
        if len(self._groups) >= MAX_GROUPS:
            self._groups = {key: group for key, group in self._groups.items() if group.calls}


def _difference(call: WaitingCall, taken: WaitingCall) -> str:
    """Why `call` is not in the batch of `taken`."""
    if call.key == taken.key:
        return "no room"
    return "other arguments" if call.module == taken.module else "other module"
