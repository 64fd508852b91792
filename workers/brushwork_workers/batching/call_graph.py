"""Which jobs are between two model calls, and which module each of them may call next."""

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class CallPosition:
    """The last call of a caller.

    Args:
        module: The module that was called; for a caller that has just begun, a marker for its model.
        key: The key of the call. Only calls of equal keys can share a batch.
    """

    module: Hashable
    key: Hashable = None


class CallGraph:
    """Learns which module is called after which, and so knows which callers may join a group of calls.

    A pipeline calls its modules in the same order for every job. A caller that was in a group's last batch
    returns to the group with the same key. A caller that comes from another module may call any key.
    """

    def __init__(self) -> None:
        self._last: dict[Hashable, CallPosition] = {}
        self._expected: dict[Hashable, CallPosition] = {}
        self._num_at: Counter[CallPosition] = Counter()
        self._follows: defaultdict[Hashable, set[Hashable]] = defaultdict(set)

    def expect(self, caller: Hashable, position: CallPosition) -> None:
        """Expect another call of a caller, whose last call is `position`."""
        self._forget(caller)
        self._last[caller] = self._expected[caller] = position
        self._num_at[position] += 1

    def called(self, caller: Hashable, module: Hashable) -> None:
        """Record that a caller calls a module."""
        self._forget(caller)
        if caller in self._last:
            self._follows[self._last[caller].module].add(module)

    def left(self, caller: Hashable) -> None:
        """Expect no more calls of a caller."""
        self._forget(caller)
        self._last.pop(caller, None)

    @property
    def expects_any(self) -> bool:
        """Whether any caller is between two calls."""
        return bool(self._expected)

    def is_expected(self, position: CallPosition) -> bool:
        """Whether any caller may join the group of calls at this position."""
        return any(self._may_lead(origin, position) for origin in self._num_at)

    def expects(self, caller: Hashable, position: CallPosition) -> bool:
        """Whether a caller of the last batch at this position may join the group of calls there."""
        return self._expected.get(caller) == position

    def stop_expecting(self, position: CallPosition) -> None:
        """Expect none of the callers that have not joined this group, until they have called again."""
        late = [caller for caller, origin in self._expected.items() if self._may_lead(origin, position)]
        for caller in late:
            self._forget(caller)

    def stop_expecting_caller(self, caller: Hashable) -> None:
        """Do not expect a caller until it has called again."""
        self._forget(caller)

    def _may_lead(self, origin: CallPosition, position: CallPosition) -> bool:
        if origin.module == position.module:
            return origin.key == position.key
        return position.module in self._follows[origin.module]

    def _forget(self, caller: Hashable) -> None:
        position = self._expected.pop(caller, None)
        if position is not None:
            self._num_at[position] -= 1
            if not self._num_at[position]:
                del self._num_at[position]
