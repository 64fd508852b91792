"""Which waiting calls run next, together with which others, and how long to wait for more.

The rules, and why:

- **Groups.** Calls with equal keys (module, shapes, number formats, static arguments) can share one run.
- **Come-back waiting.** A denoising job calls the same module again within a moment. So a group waits for
  those who were in its last run and have not called anything since: with them the batch stays whole, and
  once all are back there is nothing to wait for, so it runs at once.
- **Waiting for who is on the way.** Jobs that begin together do not come together: each has first to be
  claimed, to read its picture, to call the text encoder. So a group also waits for jobs that are between two
  calls, if jobs went from there to this module before (`CallGraph`). Else the first ones would run in small
  batches, a step ahead of the others until their end.
- **Nobody is waited for twice.** Who did not come within the linger is waited for again only after a call.
- **A bounded linger.** A job that is slow to come back (decoding a picture, asking the ledger) must not
  hold the others: a group waits at most a fraction of its last run's time, within fixed bounds. A group
  never seen before waits the shortest bound, for those that were submitted together.
- **Lingering begins when the group could run.** Calls that came while the group's last run was on its way
  wait for its callers too: else two halves of a batch would take turns for ever and never become one.
- **Oldest first.** Among the groups that are ready, the one with the oldest call runs. A stream of other
  shapes can therefore not starve a group: its oldest call only grows older.
- **Priority is a head start.** Each step of priority makes a call count as older by `HEAD_START_S`. The
  urgent overtake, and still nobody waits for ever.
- **No idle waiting.** While a group lingers, another one that is ready runs.
- **A size that fits.** A run stays within its module's `BatchBudget`.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from brushwork_workers.batching.budget import BatchBudget
from brushwork_workers.batching.call_graph import CallGraph, CallPosition

SHORTEST_LINGER_S = 0.001
LONGEST_LINGER_S = 0.05
LINGER_SHARE = 0.25
HEAD_START_S = 1.0
MOST_GROUPS = 256


@dataclass(frozen=True, eq=False)
class WaitingCall:
    """A call that waits.

    Args:
        caller: Who waits for it; one caller has one call at a time.
        module: What is called; a budget holds for one module.
        key: Calls of equal keys may run together; keys of different modules differ.
        since_s: When it began to wait, by a monotonic clock.
        rows: Length of its batch axis.
        pixels: Of all its rows.
        max_rows: Most rows of a run of its module; by default the policy's.
        priority: Higher is more urgent.
        comes_back: Whether its caller may call again soon, so that others do well to wait for it.
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

    @property
    def rank(self) -> float:
        """The lowest runs first."""
        return self.since_s - self.priority * HEAD_START_S


@dataclass(frozen=True)
class CallBatch:
    """These calls, of one key, are to be run together now.

    Args:
        calls: At least one.
        reason: Why now: "full", "complete" (all who were expected are here) or "lingered".
        room: Most rows that a run of this module may have.
        passed_over: How many other calls wait, by why they have no part in it: "no room", "other arguments"
            (of the same module), "other module".
    """

    calls: tuple[WaitingCall, ...]
    reason: str
    room: int = 1
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
    """Nothing is ready; look again at `at_s`, or when a call arrives. None: only when one arrives."""

    at_s: float | None


@dataclass
class _Group:
    """What is known of the calls of one key."""

    budget: BatchBudget
    calls: list[WaitingCall] = field(default_factory=list)
    last_run_s: float | None = None
    ended_s: float = float("-inf")

    @property
    def rank(self) -> float:
        return min(call.rank for call in self.calls)

    @property
    def lingers_until_s(self) -> float:
        share_s = LINGER_SHARE * (self.last_run_s or 0.0)
        linger_s = min(max(share_s, SHORTEST_LINGER_S), LONGEST_LINGER_S)
        return max(self.calls[0].since_s, self.ended_s) + linger_s

    @property
    def place(self) -> CallPosition:
        return CallPosition(self.calls[0].module, self.calls[0].key)

    def reason(self, now_s: float, *, others_come: bool) -> str | None:
        """Why it should run now; None if it should wait."""
        rows, pixels = sum(call.rows for call in self.calls), sum(call.pixels for call in self.calls)
        if rows >= self.budget.max_rows or pixels >= self.budget.max_pixels:
            return "full"
        if self.last_run_s is not None and not others_come:
            return "complete"
        return "lingered" if now_s >= self.lingers_until_s else None

    def take(self) -> tuple[WaitingCall, ...]:
        """Remove and return the first calls, as many as fit and at least one."""
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
    """Decides; holds no lock and looks at no clock. All times are seconds of one monotonic clock.

    Args:
        max_rows: Most rows of one run.
        max_pixels: Most pixels of one run.
    """

    def __init__(self, max_rows: int, max_pixels: int) -> None:
        self._max_rows = max_rows
        self._max_pixels = max_pixels
        self._budgets: dict[Hashable, BatchBudget] = {}
        self._groups: dict[Hashable, _Group] = {}
        self._routes = CallGraph()

    def began(self, caller: Hashable, model: Hashable) -> None:
        """This caller will call, and as others who began with the same model did."""
        self._routes.sets_out(caller, CallPosition(("begin", model)))

    def arrived(self, call: WaitingCall) -> None:
        """A call waits."""
        self._routes.arrives(call.caller, call.module)
        self._group(call).calls.append(call)

    def left(self, caller: Hashable) -> None:
        """This caller will call no more: nobody is to wait for it, and a call of its own is withdrawn."""
        self._routes.leaves(caller)
        for group in self._groups.values():
            group.calls = [call for call in group.calls if call.caller != caller]

    def decide(self, now_s: float) -> CallBatch | Wait:
        """The next run, or when to look again."""
        waiting = [group for group in self._groups.values() if group.calls]
        for group in sorted(waiting, key=lambda group: group.rank):
            place = group.place
            reason = group.reason(now_s, others_come=self._routes.leads_to(place))
            if reason:
                if reason == "lingered":
                    self._routes.give_up(place)
                calls = group.take()
                return CallBatch(calls, reason, group.budget.max_rows, self._passed_over(calls[0]))
        moments = [group.lingers_until_s for group in waiting]
        return Wait(min(moments) if moments else None)

    def answered(self, run: CallBatch) -> None:
        """A run fitted and its callers get their answers: they will call again, here or elsewhere."""
        group = self._group(run.calls[0])
        group.budget.succeeded(run.pixels)
        for call in run.calls:
            if call.comes_back:
                self._routes.sets_out(call.caller, CallPosition(call.module, call.key))

    def ended(self, run: CallBatch, took_s: float, now_s: float) -> None:
        """The device is free again."""
        group = self._group(run.calls[0])
        group.last_run_s, group.ended_s = took_s, now_s

    def too_large(self, run: CallBatch) -> None:
        """A run did not fit; the next ones are smaller."""
        self._group(run.calls[0]).budget.failed(run.pixels)

    def out_of_memory(self, run: CallBatch) -> None:
        """A run did not fit; its calls are first in the next, smaller ones."""
        self.too_large(run)
        group = self._group(run.calls[0])
        group.calls = [*run.calls, *group.calls]

    def _passed_over(self, taken: WaitingCall) -> Counter[str]:
        return Counter(_difference(call, taken) for group in self._groups.values() for call in group.calls)

    def _group(self, call: WaitingCall) -> _Group:
        # A group may be forgotten while its calls run, and is made anew when they have ended.
        if call.key not in self._groups:
            self._make_room()
            self._groups[call.key] = _Group(self._budget(call))
        return self._groups[call.key]

    def _budget(self, call: WaitingCall) -> BatchBudget:
        if call.module not in self._budgets:
            self._budgets[call.module] = BatchBudget(call.max_rows or self._max_rows, self._max_pixels)
        return self._budgets[call.module]

    def _make_room(self) -> None:
        # Every size and every module is a key; those that nobody uses are forgotten in the end.
        if len(self._groups) >= MOST_GROUPS:
            self._groups = {key: group for key, group in self._groups.items() if group.calls}


def _difference(call: WaitingCall, taken: WaitingCall) -> str:
    """Why `call` has no part in the run of `taken`."""
    if call.key == taken.key:
        return "no room"
    return "other arguments" if call.module == taken.module else "other module"
