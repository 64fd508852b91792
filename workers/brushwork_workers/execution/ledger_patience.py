"""Ask the ledger again while it cannot be reached, as long as a lease may still be held."""

import time
from collections.abc import Callable
from typing import TypeVar

from brushwork_schemas.errors import ServiceUnreachable

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
_Answer = TypeVar("_Answer")


class LedgerPatience:
    """Repeats a ledger call while the database cannot be reached.

    Args:
        limit_s: Seconds after which the last error is raised; the length of a lease.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def ask(self, call: Callable[[], _Answer]) -> _Answer:
        """Return what `call` returns.

        Raises:
            ServiceUnreachable: The database could not be reached within the limit.
        """
        give_up = time.monotonic() + self._limit_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return call()
            except ServiceUnreachable:
                if time.monotonic() > give_up:
                    raise
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
