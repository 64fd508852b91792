"""Ask the ledger again while it cannot be reached, as long as a lease may still be held."""

from collections.abc import Callable
from typing import TypeVar

from brushwork_core.timing.backoff import Backoff, retried
from brushwork_schemas.errors import ServiceUnreachable

BACKOFF = Backoff(first_s=0.1, longest_s=2.0)
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
        return retried(call, is_temporary=_is_unreachable, backoff=BACKOFF, timeout_s=self._limit_s)


def _is_unreachable(error: Exception) -> bool:
    return isinstance(error, ServiceUnreachable)
