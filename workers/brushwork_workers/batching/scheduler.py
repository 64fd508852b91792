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
- **Extra calls come last.** The extra calls of a job, such as those of its explanation, gather in groups of
  their own, with those of other jobs. They run when no own call of any job waits, and none is about to come
  back: the job of a caller that was just answered would wait for them at every step.
- **Extra calls run in the end.** Under steady load they have one batch now and then (`EXTRA_EVERY_S`), which
  takes at most a fifth of the device (`EXTRA_PAUSES`). So a job waits for at most one such batch.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from brushwork_workers.batching.budget import BatchBudget
from brushwork_workers.batching.call_graph import CallGraph, CallPosition
from brushwork_workers.batching.call_groups import CallBatch, CallGroup, WaitingCall, timeout_after

MAX_GROUPS = 256
# Extra calls wait for own ones that long at most, and for this many times as long as their last batch took.
EXTRA_EVERY_S = 1.0
EXTRA_PAUSES = 4.0


@dataclass(frozen=True)
class Wait:
    """No batch is ready. Ask again at `at_s`, or when a call arrives; None: only when a call arrives."""

    at_s: float | None


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
        self._groups: dict[Hashable, CallGroup] = {}
        self._own_graph = CallGraph()
        self._extra_graph = CallGraph()
        # The last batch with an own call: when it ended, and how long it took.
        self._own_ended_s, self._own_took_s = float("-inf"), 0.0
        # Until then, extra calls wait for own ones.
        self._extra_from_s = float("-inf")

    def caller_began(self, caller: Hashable, model: Hashable, *, is_extra: bool = False) -> None:
        """Expect calls of a caller, in the order of other callers that began with the same model.

        Args:
            caller: The caller.
            model: Name of its model.
            is_extra: Whether it makes extra calls.
        """
        self._graph(is_extra).expect(caller, CallPosition(("begin", model)))

    def caller_pauses(self, caller: Hashable) -> None:
        """Do not wait for a caller until it has called again."""
        self._own_graph.stop_expecting_caller(caller)
        self._extra_graph.stop_expecting_caller(caller)

    def call_arrived(self, call: WaitingCall) -> None:
        """Add a waiting call."""
        self._graph(call.is_extra).called(call.caller, call.module)
        self._group(call).calls.append(call)

    def caller_left(self, caller: Hashable) -> None:
        """Expect no more calls of a caller, and withdraw its waiting call."""
        self._own_graph.left(caller)
        self._extra_graph.left(caller)
        for group in self._groups.values():
            group.calls = [call for call in group.calls if call.caller != caller]
            group.last_calls = tuple(call for call in group.last_calls if call.caller != caller)

    def next_batch(
        self, now_s: float, *, callers_run: bool = False, extra_run: bool = False
    ) -> CallBatch | Wait:
        """Choose the batch to run now, or return when to ask again.

        Args:
            now_s: The time.
            callers_run: Whether some callers of own calls are known to run now, so that their next calls come
                soon.
            extra_run: The same of callers of extra calls.
        """
        waiting = [group for group in self._groups.values() if group.calls]
        own = [group for group in waiting if not group.is_extra]
        extra = [group for group in waiting if group.is_extra]
        extra_from_s = self._extra_may_run_from_s(own, extra, callers_run=callers_run)
        # Extra calls whose turn it is come first here: without own calls that wait, nothing else is left.
        for groups, run, may_run in ((extra, extra_run, now_s >= extra_from_s), (own, callers_run, True)):
            if may_run and (batch := self._first_ready(groups, now_s, callers_run=run)):
                return batch
        own_s = [group.timeout_at_s(callers_run=callers_run) for group in own]
        extra_s = [max(extra_from_s, group.timeout_at_s(callers_run=extra_run)) for group in extra]
        return Wait(min(own_s + extra_s, default=None))

    def _first_ready(
        self, groups: Sequence[CallGroup], now_s: float, *, callers_run: bool
    ) -> CallBatch | None:
        for group in sorted(groups, key=lambda group: group.rank):
            position = group.position
            expects_others = self._expects_others(group, position)
            reason = group.reason(now_s, expects_others=expects_others, callers_run=callers_run)
            if reason:
                if reason == "lingered":
                    self._graph(group.is_extra).stop_expecting(position)
                max_rows, calls = group.max_rows, group.take()
                return CallBatch(calls, reason, max_rows, self._passed_over(calls[0]))
        return None

    def _extra_may_run_from_s(
        self, own: Sequence[CallGroup], extra: Sequence[CallGroup], *, callers_run: bool
    ) -> float:
        """When extra calls may run, if nothing else changes until then."""
        oldest_s = min((call.since_s for group in extra for call in group.calls), default=0.0)
        turn_s = max(self._extra_from_s, oldest_s + EXTRA_EVERY_S)
        if own:
            return turn_s
        if not self._own_graph.expects_any:
            return float("-inf")
        return min(turn_s, self._own_ended_s + timeout_after(self._own_took_s, callers_run=callers_run))

    def _expects_others(self, group: CallGroup, position: CallPosition) -> bool:
        graph = self._graph(group.is_extra)
        if not group.runs_alone:
            return graph.is_expected(position)
        # Only for an older job, which otherwise would take turns with this one.
        first = group.of_oldest_job
        older = [call for call in group.last_calls if call.job_rank < first.job_rank]
        return any(graph.expects(call.caller, position) for call in older)

    def batch_answered(self, batch: CallBatch) -> None:
        """Record that a batch fitted into memory: its callers get their answers and may call again."""
        group = self._group(batch.calls[0])
        group.budget.succeeded(batch.pixels)
        for call in batch.calls:
            if call.comes_back:
                self._graph(call.is_extra).expect(call.caller, CallPosition(call.module, call.key))

    def batch_ended(self, batch: CallBatch, took_s: float, now_s: float) -> None:
        """Record the duration of a batch; the device is free again."""
        self._group(batch.calls[0]).ended(batch, took_s, now_s)
        if batch.calls[0].is_extra:
            self._extra_from_s = now_s + max(EXTRA_EVERY_S, EXTRA_PAUSES * took_s)
        else:
            self._own_ended_s, self._own_took_s = now_s, took_s

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

    def _graph(self, is_extra: bool) -> CallGraph:
        return self._extra_graph if is_extra else self._own_graph

    def _group(self, call: WaitingCall) -> CallGroup:
        # A group may be forgotten while its calls run; it is then created again when they have ended.
        if call.group_key not in self._groups:
            self._forget_empty_groups()
            other = self._groups.get((call.key, not call.is_extra))
            group = CallGroup(self._budget(call), is_extra=call.is_extra)
            if other is not None:
                group.cost, group.runs_alone = other.cost, other.runs_alone
            self._groups[call.group_key] = group
        return self._groups[call.group_key]

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
