"""Who is between two calls, and where jobs like theirs went next."""

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class CallPosition:
    """Where a caller was last.

    Args:
        module: What it called; for one that has just begun, what all jobs of its model begin as.
        key: With which arguments; only calls of equal keys can share a run.
    """

    module: Hashable
    key: Hashable = None


class CallGraph:
    """Learns which module is called after which, and so knows who may be on the way to a group of calls.

    A pipeline calls its modules in the same order for every job. Who was in a group's last run comes back to
    it with equal arguments; who comes from elsewhere comes to the module, with arguments that nobody knows.
    """

    def __init__(self) -> None:
        self._last: dict[Hashable, CallPosition] = {}
        self._awaited: dict[Hashable, CallPosition] = {}
        self._num_at: Counter[CallPosition] = Counter()
        self._follows: defaultdict[Hashable, set[Hashable]] = defaultdict(set)

    def sets_out(self, caller: Hashable, place: CallPosition) -> None:
        """The caller has what it wanted there, and will call again."""
        self._forget(caller)
        self._last[caller] = self._awaited[caller] = place
        self._num_at[place] += 1

    def arrives(self, caller: Hashable, module: Hashable) -> None:
        """The caller calls this module."""
        self._forget(caller)
        if caller in self._last:
            self._follows[self._last[caller].module].add(module)

    def leaves(self, caller: Hashable) -> None:
        """The caller will call no more."""
        self._forget(caller)
        self._last.pop(caller, None)

    def leads_to(self, place: CallPosition) -> bool:
        """Whether anybody is on the way who may come to this group."""
        return any(self._may_lead(origin, place) for origin in self._num_at)

    def give_up(self, place: CallPosition) -> None:
        """Who has not come to this group by now is not waited for, until it has called again."""
        late = [caller for caller, origin in self._awaited.items() if self._may_lead(origin, place)]
        for caller in late:
            self._forget(caller)

    def _may_lead(self, origin: CallPosition, place: CallPosition) -> bool:
        if origin.module == place.module:
            return origin.key == place.key
        return place.module in self._follows[origin.module]

    def _forget(self, caller: Hashable) -> None:
        place = self._awaited.pop(caller, None)
        if place is not None:
            self._num_at[place] -= 1
            if not self._num_at[place]:
                del self._num_at[place]
