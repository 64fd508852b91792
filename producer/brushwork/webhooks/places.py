"""The places of a sender: tenants share them, and receivers that are known to be slow have few of them."""

from collections import OrderedDict
from collections.abc import Iterable

from brushwork_core.ledger.outbox import WaitingEvent
from brushwork_core.shares.fair_share import FairShare

# A receiver that took longer, or did not answer, is slow until it answers faster.
SLOW_S = 2.0
# Slow receivers together have one place of so many, at least one.
SLOW_PART = 4
MOST_REMEMBERED = 10_000


class Places:
    """Decides which due events are delivered now. Use it only in the event loop.

    A tenant whose receivers do not answer keeps its share of the places busy, and not more. Within its share,
    its events for receivers that answer do not wait for those that do not.

    Args:
        num_places: Deliveries at the same time.
    """

    def __init__(self, num_places: int) -> None:
        self._all = FairShare(num_places)
        self._slow = FairShare(max(1, num_places // SLOW_PART))
        self._slow_receivers: OrderedDict[str, None] = OrderedDict()
        self._held: dict[str, tuple[str, bool]] = {}

    @property
    def free(self) -> int:
        """Number of deliveries that could begin now."""
        return self._all.free

    def chosen(self, events: Iterable[WaitingEvent]) -> list[WaitingEvent]:
        """Return the events that may be delivered now, in their order, and hold a place for each."""
        return [event for event in events if self._take(event)]

    def give_back(self, event_id: str) -> None:
        """Give back the place of an event."""
        tenant, is_slow = self._held.pop(event_id)
        self._all.give_back(tenant)
        if is_slow:
            self._slow.give_back(tenant)

    def took(self, receiver: str, seconds: float, *, has_answered: bool) -> None:
        """Note how long a receiver took."""
        self._slow_receivers.pop(receiver, None)
        if seconds > SLOW_S or not has_answered:
            self._slow_receivers[receiver] = None
            if len(self._slow_receivers) > MOST_REMEMBERED:
                self._slow_receivers.popitem(last=False)

    def _take(self, event: WaitingEvent) -> bool:
        # An event that has failed before goes with the slow ones: another sender may know why.
        is_slow = event.receiver in self._slow_receivers or event.attempts > 0
        if is_slow and not self._slow.may_take(event.tenant):
            return False
        if not self._all.take(event.tenant):
            return False
        if is_slow:
            self._slow.take(event.tenant)
        self._held[event.id] = (event.tenant, is_slow)
        return True
