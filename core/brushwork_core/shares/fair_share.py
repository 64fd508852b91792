"""The one rule by which tenants share what is limited: decoders, uploads, streams, webhooks and lists.

A tenant may hold at most `GREED` times what is free. So no number of tenants can take everything, nobody
has to be counted or configured in advance, and a tenant that is alone gets most of it. With n tenants that
take all they can, each holds GREED / (1 + n GREED) of the total, and 1 / (1 + n GREED) stays free for the
next one.

Switches divide their packet memory by this rule (Choudhury and Hahne, "Dynamic queue length thresholds for
shared-memory packet switches", 1998).
"""

from collections import Counter
from collections.abc import Hashable

# 2: one tenant may hold two thirds, two tenants two fifths each, ten tenants about a tenth each.
GREED = 2


class FairShare:
    """Counts what each tenant holds of a total, and says whether it may take more.

    Args:
        total: How much there is: places, bytes or threads. More than 0.
        most_each: Most that one tenant may hold in any case; None for no such limit.
    """

    def __init__(self, total: int, most_each: int | None = None) -> None:
        self._total = total
        self._most_each = total if most_each is None else most_each
        self._held: Counter[Hashable] = Counter()

    @property
    def free(self) -> int:
        """What nobody holds."""
        return self._total - self._held.total()

    def held_by(self, tenant: Hashable) -> int:
        """Return what a tenant holds now."""
        return self._held[tenant]

    def may_take(self, tenant: Hashable, amount: int = 1) -> bool:
        """Return whether a tenant may take more now.

        Args:
            tenant: Who asks. None stands for callers that are not told apart: only the total limits them.
            amount: How much. A tenant that holds nothing may take more than its share, if it is free: else a
                single request could be too large for ever.
        """
        if amount > self.free:
            return False
        held = self._held[tenant]
        if tenant is None or held == 0:
            return True
        return held + amount <= min(self._most_each, GREED * self.free)

    def take(self, tenant: Hashable, amount: int = 1) -> bool:
        """Give a tenant `amount`, if it may take it; return whether it did."""
        if not self.may_take(tenant, amount):
            return False
        self._held[tenant] += amount
        return True

    def give_back(self, tenant: Hashable, amount: int = 1) -> None:
        """Take back what a tenant held.

        Raises:
            KeyError: The tenant does not hold so much.
        """
        if amount > self._held[tenant]:
            raise KeyError(tenant)
        self._held[tenant] -= amount
        # Without this the counter would keep an entry for every tenant that ever came.
        if not self._held[tenant]:
            del self._held[tenant]
