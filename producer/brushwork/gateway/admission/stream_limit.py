"""How many event streams and waits are open at once: of all callers together, and of one tenant's keys."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_schemas.errors import TooManyStreams

MOST = 1000
MOST_OF_A_TENANT = 250
HINT = "Come again later, or ask for the job now and then."


class StreamLimit:
    """Counts who sits; all of it lives in the event loop."""

    def __init__(self) -> None:
        self._taken: Counter[str | None] = Counter()

    def check(self, tenant: str | None) -> None:
        """Whether there is a seat now; for who would rather know before it begins to work.

        Args:
            tenant: Of the key; None where nobody is asked for one, and all are one.

        Raises:
            TooManyStreams: All seats are taken, or all that a tenant may have.
        """
        if self._taken.total() >= MOST:
            raise TooManyStreams(f"{MOST} streams and waits are open here, and no more are taken.", hint=HINT)
        if tenant is not None and self._taken[tenant] >= MOST_OF_A_TENANT:
            raise TooManyStreams(
                f"{MOST_OF_A_TENANT} streams and waits of this key's tenant are open here; "
                "the others are for other tenants.",
                hint=HINT,
            )

    @contextmanager
    def taken(self, tenant: str | None) -> Iterator[None]:
        """Sit, for as long as the context lasts.

        Raises:
            TooManyStreams: As `check`.
        """
        self.check(tenant)
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
            # Or every tenant that ever came would be remembered.
            if not self._taken[tenant]:
                del self._taken[tenant]
