"""Whose jobs a worker claims next: kinds take turns, and within a kind tenants."""

import time
from collections.abc import Callable, Mapping, Sequence

# Counting the running jobs reads all of them, so the counts are kept for so many seconds.
KEEP_COUNTS_S = 0.25


class ClaimOrder:
    """The turns of one worker. For one thread at a time.

    Args:
        kinds: The kinds that the worker serves.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = list(kinds)
        self._last_tenant: dict[str, str] = {}
        self._running: dict[str, tuple[float, dict[str, int]]] = {}

    @property
    def kinds(self) -> list[str]:
        """The kinds, the one whose turn it is first."""
        return list(self._kinds)

    def last_tenant(self, kind: str) -> str | None:
        """Return the tenant whose job of `kind` was the last that was claimed."""
        return self._last_tenant.get(kind)

    def running(self, kind: str, count: Callable[[], Mapping[str, int]]) -> Mapping[str, int]:
        """Return how many jobs of `kind` run on all workers, by tenant, as of a moment ago.

        Args:
            kind: Name of the kind.
            count: Counts them.
        """
        counted = self._running.get(kind)
        if counted is None or time.monotonic() - counted[0] > KEEP_COUNTS_S:
            counted = self._running[kind] = time.monotonic(), dict(count())
        return counted[1]

    def note(self, claimed: Sequence[tuple[str, str]]) -> None:
        """Note whose jobs were claimed.

        Args:
            claimed: Kind and tenant of each job, in the order of the claims.
        """
        for kind, tenant in claimed:
            self._last_tenant[kind] = tenant
            if kind in self._running:
                counts = self._running[kind][1]
                counts[tenant] = counts.get(tenant, 0) + 1
        if claimed:
            first = claimed[0][0]
            place = self._kinds.index(first) + 1
            self._kinds = self._kinds[place:] + self._kinds[:place]
