"""Threads for work that takes long, such as having a picture decoded. Tenants get them in turns."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from brushwork.gateway.admission.fair_pool import FairPool

# Whoever waits has a time limit of its own, or goes away.
LONGEST_WAIT_S = 600.0
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class FairThreads:
    """Runs functions in threads. All methods belong to one event loop.

    Args:
        total: Number of threads.
    """

    def __init__(self, total: int) -> None:
        self._limiter = CapacityLimiter(total)
        self._pool = FairPool(total)

    async def run(
        self, tenant: str | None, function: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> Result:
        """Call a function in a thread as soon as it is the tenant's turn, and return its result.

        Args:
            tenant: Who waits; None for callers that are not told apart.
            function: What is called.
            arguments: Its arguments.

        Raises:
            TimeoutError: The tenant did not get a thread within `LONGEST_WAIT_S`.
        """
        async with self._pool.taken(tenant, within_s=LONGEST_WAIT_S):
            return await to_thread.run_sync(function, *arguments, limiter=self._limiter)
