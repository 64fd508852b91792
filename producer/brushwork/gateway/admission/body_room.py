"""Room for the bodies of requests: memory for most, the temporary folder for archives. Tenants share both.

A request takes room for its whole body before it is read, so those that have begun can always end.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import TooManyUploads

from brushwork.gateway.admission.fair_pool import FairPool, Held

# A request waits so long for room. Its client sends nothing meanwhile.
WAIT_S = 10.0
# A body of unknown length takes so much first. Most are short.
FIRST_BYTES = 2**20


class Room:
    """The room of one request.

    Args:
        bodies: The room of all.
        tenant: Whose request it is; None if the gateway is open.
    """

    def __init__(self, bodies: "BodyRoom", tenant: str | None) -> None:
        self._bodies = bodies
        self._tenant = tenant
        self._held: list[Held] = []
        self._num_bytes = 0

    async def take(self, *, memory: int = 0, spool: int = 0) -> None:
        """Take room, in addition to what is held.

        Args:
            memory: Bytes of memory.
            spool: Bytes of the temporary folder.

        Raises:
            TooManyUploads: There was none within `WAIT_S`.
        """
        try:
            for pool, amount in ((self._bodies.memory, memory), (self._bodies.spool, spool)):
                if amount:
                    self._held.append(await pool.take(self._tenant, amount, within_s=WAIT_S))
        except TimeoutError:
            raise TooManyUploads(
                "The gateway receives as much as it can hold at the moment.",
                hint="Try again in a moment, or send fewer files at the same time.",
            ) from None
        self._num_bytes += memory

    async def hold(self, num_bytes: int, most: int) -> None:
        """Take memory for `most` bytes as soon as there are more than was taken."""
        if num_bytes > self._num_bytes:
            await self.take(memory=most - self._num_bytes)

    def leave(self) -> None:
        """Give back all of it."""
        for each in self._held:
            each.give_back()


class BodyRoom:
    """The room of all requests. Use it only in the event loop.

    Args:
        settings: How much there is. The largest body always fits in.
    """

    def __init__(self, settings: Settings) -> None:
        self.memory = FairPool(max(settings.body_memory_bytes, 2 * settings.max_upload_bytes))
        self.spool = FairPool(max(settings.spool_bytes, 2 * settings.max_dataset_bytes))

    @asynccontextmanager
    async def room(self, tenant: str | None) -> AsyncIterator[Room]:
        """The room of one request, which is given back at the end of the block at the latest."""
        room = Room(self, tenant)
        try:
            yield room
        finally:
            room.leave()
