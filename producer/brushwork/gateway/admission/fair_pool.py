"""A pool that tenants share: who may take nothing now waits, and those who wait take turns."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from brushwork_core.shares.fair_share import FairShare
from brushwork_core.shares.turns import Turns


class Held:
    """What was taken from a pool, until it is given back.

    Args:
        pool: The pool.
        tenant: Who took it.
        amount: How much.
    """

    def __init__(self, pool: "FairPool", tenant: Hashable, amount: int) -> None:
        self._pool = pool
        self._tenant = tenant
        self._amount = amount

    def give_back(self) -> None:
        """Give it back. Further calls do nothing."""
        amount, self._amount = self._amount, 0
        if amount:
            self._pool.give_back(self._tenant, amount)


class FairPool:
    """Places, threads or bytes that tenants share by the rule of `FairShare`. Use it only in the event loop.

    Args:
        total: How much there is.
    """

    def __init__(self, total: int) -> None:
        self._share = FairShare(total)
        self._turns: Turns[tuple[int, asyncio.Future[None]]] = Turns()

    @property
    def free(self) -> int:
        """What nobody holds."""
        return self._share.free

    async def take(self, tenant: Hashable, amount: int = 1, *, within_s: float) -> Held:
        """Take some, as soon as the tenant may and it is its turn.

        Args:
            tenant: Who takes it; None for callers that are not told apart.
            amount: How much.
            within_s: Longest wait in seconds.

        Raises:
            TimeoutError: The wait was too long.
        """
        # Most find nobody waiting.
        if not self._turns and self._share.take(tenant, amount):
            return Held(self, tenant, amount)
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.add(tenant, (amount, waiting))
        self._go_on()
        try:
            async with asyncio.timeout(within_s):
                await waiting
        except BaseException:
            if not self._turns.remove(tenant, (amount, waiting)):
                # It was given in the same moment.
                self.give_back(tenant, amount)
            raise
        return Held(self, tenant, amount)

    @asynccontextmanager
    async def taken(self, tenant: Hashable, amount: int = 1, *, within_s: float) -> AsyncIterator[Held]:
        """Hold some inside the `async with` block, or less long if it is given back before.

        Raises:
            TimeoutError: The wait was too long.
        """
        held = await self.take(tenant, amount, within_s=within_s)
        try:
            yield held
        finally:
            held.give_back()

    def give_back(self, tenant: Hashable, amount: int) -> None:
        """Give back what a tenant has taken."""
        self._share.give_back(tenant, amount)
        self._go_on()

    def _go_on(self) -> None:
        while (found := self._turns.next(lambda tenant, item: self._share.take(tenant, item[0]))) is not None:
            found[1].set_result(None)
