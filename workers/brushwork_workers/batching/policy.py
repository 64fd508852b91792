"""Which waiting calls run next, together with which others, and how long to wait for more.

The rules, and why:

- **Groups.** Calls with equal keys (module, shapes, number formats, static arguments) can share one run.
- **Come-back waiting.** A denoising job calls the same module again within a moment. So a group waits for
  those who were in its last run and have not called anything since: with them the batch stays whole, and
  once all are back there is nothing to wait for, so it runs at once.
- **A bounded linger.** A job that is slow to come back (decoding a picture, asking the ledger) must not
  hold the others: a group waits at most a fraction of its last run's time, within fixed bounds. A group
  never seen before waits the shortest bound, for those that were submitted together.
- **Oldest first.** Among the groups that are ready, the one with the oldest call runs. A stream of other
  shapes can therefore not starve a group: its oldest call only grows older.
- **No idle waiting.** While a group lingers, another one that is ready runs.
- **A size that fits.** A run takes at most as many rows as fitted before; see `SizeLimit`.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

SHORTEST_LINGER_S = 0.001
LONGEST_LINGER_S = 0.05
LINGER_SHARE = 0.25
RUNS_BEFORE_GROWTH = 32
MOST_GROUPS = 256


@dataclass(frozen=True, eq=False)
class Waiting:
    """A call that waits.

    Args:
        caller: Who waits for it; one caller has one call at a time.
        key: Calls of equal keys may run together.
        rows: Length of its batch axis.
        since_s: When it began to wait, by a monotonic clock.
    """

    caller: Hashable
    key: Hashable
    rows: int
    since_s: float


@dataclass(frozen=True)
class Run:
    """These calls, of one key, are to be run together now."""

    calls: tuple[Waiting, ...]
    reason: str

    @property
    def rows(self) -> int:
        """Rows of all its calls."""
        return sum(call.rows for call in self.calls)


@dataclass(frozen=True)
class Later:
    """Nothing is ready; look again at `at_s`, or when a call arrives. None: only when one arrives."""

    at_s: float | None


class SizeLimit:
    """How many rows fit, found out by trying: halved when memory ran out, raised again after good runs.

    Args:
        most: Never more than so many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = most
        self._good_runs = 0

    def failed(self, rows: int) -> None:
        """A run of so many rows did not fit."""
        self.rows = max(1, min(self.rows, rows) // 2)
        self._good_runs = 0

    def succeeded(self, rows: int) -> None:
        """A run of so many rows fitted; a full one counts towards trying a larger one."""
        if rows < self.rows or self.rows == self._most:
            return
        self._good_runs += 1
        if self._good_runs >= RUNS_BEFORE_GROWTH:
            self.rows = min(self._most, self.rows + max(1, self.rows // 4))
            self._good_runs = 0


@dataclass
class _Group:
    """What is known of the calls of one key."""

    limit: SizeLimit
    calls: list[Waiting] = field(default_factory=list)
    # Who was in the last run and has not been heard of since.
    expected: set[Hashable] = field(default_factory=set)
    last_run_s: float | None = None

    @property
    def oldest_s(self) -> float:
        return self.calls[0].since_s

    @property
    def linger_s(self) -> float:
        if self.last_run_s is None:
            return SHORTEST_LINGER_S
        return min(max(LINGER_SHARE * self.last_run_s, SHORTEST_LINGER_S), LONGEST_LINGER_S)

    def reason(self, now_s: float) -> str | None:
        """Why it should run now; None if it should wait."""
        if sum(call.rows for call in self.calls) >= self.limit.rows:
            return "full"
        if self.last_run_s is not None and not self.expected:
            return "complete"
        return "lingered" if now_s >= self.oldest_s + self.linger_s else None

    def take(self) -> tuple[Waiting, ...]:
        """Remove and return the oldest calls, as many as fit and at least one."""
        rows, count = 0, 0
        for call in self.calls:
            if count and rows + call.rows > self.limit.rows:
                break
            rows, count = rows + call.rows, count + 1
        taken, self.calls = tuple(self.calls[:count]), self.calls[count:]
        return taken


class Policy:
    """Decides; holds no lock and looks at no clock. All times are seconds of one monotonic clock.

    Args:
        max_rows: Most rows of one run.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._groups: dict[Hashable, _Group] = {}
        self._expected_in: dict[Hashable, _Group] = {}

    def arrived(self, call: Waiting) -> None:
        """A call waits."""
        self._forget(call.caller)
        self._group(call.key).calls.append(call)

    def left(self, caller: Hashable) -> None:
        """This caller will call no more: nobody is to wait for it, and a call of its own is withdrawn."""
        self._forget(caller)
        for group in self._groups.values():
            group.calls = [call for call in group.calls if call.caller != caller]

    def decide(self, now_s: float) -> Run | Later:
        """The next run, or when to look again."""
        waiting = [group for group in self._groups.values() if group.calls]
        for group in sorted(waiting, key=lambda group: group.oldest_s):
            reason = group.reason(now_s)
            if reason:
                return Run(group.take(), reason)
        moments = [group.oldest_s + group.linger_s for group in waiting]
        return Later(min(moments) if moments else None)

    def succeeded(self, run: Run, took_s: float) -> None:
        """A run ended well; its callers are expected back."""
        group = self._group(run.calls[0].key)
        group.limit.succeeded(run.rows)
        group.last_run_s = took_s
        for call in run.calls:
            group.expected.add(call.caller)
            self._expected_in[call.caller] = group

    def out_of_memory(self, run: Run) -> None:
        """A run did not fit; its calls are first in the next, smaller ones."""
        group = self._group(run.calls[0].key)
        group.limit.failed(run.rows)
        group.calls = [*run.calls, *group.calls]

    def _group(self, key: Hashable) -> _Group:
        # A group may be forgotten while its calls run, and is made anew when they have ended.
        if key not in self._groups:
            self._make_room()
            self._groups[key] = _Group(SizeLimit(self._max_rows))
        return self._groups[key]

    def _make_room(self) -> None:
        # Every size and every module is a key; those that nobody uses are forgotten in the end.
        if len(self._groups) >= MOST_GROUPS:
            self._groups = {
                key: group for key, group in self._groups.items() if group.calls or group.expected
            }

    def _forget(self, caller: Hashable) -> None:
        group = self._expected_in.pop(caller, None)
        if group is not None:
            group.expected.discard(caller)
