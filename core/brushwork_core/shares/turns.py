"""Who is next: tenants take turns, and within a tenant the first one to come is the first to go."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """Waiting items of tenants. However many items a tenant has, it gets one turn in each round."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, deque[Item]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, tenant: Hashable, item: Item) -> None:
        """Add an item. A tenant that has none waiting gets its turn after all others."""
        self._waiting.setdefault(tenant, deque()).append(item)

    def remove(self, tenant: Hashable, item: Item) -> bool:
        """Remove an item that waits no longer; return whether it was there."""
        items = self._waiting.get(tenant, deque())
        if item not in items:
            return False
        items.remove(item)
        if not items:
            del self._waiting[tenant]
        return True

    def next(self, may_go: Callable[[Hashable, Item], bool] = lambda _tenant, _item: True) -> Item | None:
        """Remove and return the item whose turn it is; None if no item may go.

        Args:
            may_go: Returns whether the first item of a tenant may go now. A tenant whose item may not go
                keeps its place, and the next one is asked.
        """
        for tenant, items in self._waiting.items():
            if may_go(tenant, items[0]):
                item = items.popleft()
                if items:
                    self._waiting.move_to_end(tenant)
                else:
                    del self._waiting[tenant]
                return item
        return None
