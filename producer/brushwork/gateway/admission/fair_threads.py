"""Threads for work that takes long, such as decoding a picture. Tenants get them in turns."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread
from brushwork_core.shares.fair_share import FairShare
from brushwork_core.shares.turns import Turns

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class FairThreads:
    """Runs functions in threads. All methods belong to one event loop.

    Args:
        total: Number of threads.
    """

    def __init__(self, total: int) -> None:
        self._limiter = CapacityLimiter(total)
        self._share = FairShare(total)
        self._turns: Turns[asyncio.Future[None]] = Turns()

    async def run(
        self, tenant: str | None, function: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> Result:
        """Call a function in a thread as soon as it is the tenant's turn, and return its result.

        Args:
            tenant: Who waits; None for callers that are not told apart.
            function: What is called.
            arguments: Its arguments.
        """
        async with self._turn(tenant):
            return await to_thread.run_sync(function, *arguments, limiter=self._limiter)

    @asynccontextmanager
    async def _turn(self, tenant: str | None) -> AsyncIterator[None]:
        turn = asyncio.get_running_loop().create_future()
        self._turns.add(tenant, turn)
        self._give()
        try:
            await turn
            yield
        finally:
            # A caller that has gone may wait still, or may have got its turn in this moment.
            if not self._turns.remove(tenant, turn):
                self._share.give_back(tenant)
            self._give()

    def _give(self) -> None:
        while (turn := self._turns.next(lambda tenant, _: self._share.take(tenant))) is not None:
            if not turn.done():
                turn.set_result(None)
