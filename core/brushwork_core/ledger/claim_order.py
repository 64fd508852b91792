"""Whose jobs a worker claims next: kinds take turns, and within a kind tenants.

The turns of tenants are those of all workers together. Otherwise each worker would begin with the same
tenants, and the last of a thousand tenants would wait until every worker has served all before it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# The running jobs are counted again after so many times the seconds that the last count took, but after
# `KEEP_COUNTS_S` at the latest. So the count takes a twentieth of the time at most.
QUERY_TIMES = 20
KEEP_COUNTS_S = 0.25


@dataclass(frozen=True)
class TenantJobs:
    """The running jobs of a tenant and kind, on all workers.

    Args:
        tenant: Name of the tenant.
        number: Number of the jobs.
        newest_ms: When the newest of them was claimed, in milliseconds since 1970.
    """

    tenant: str
    number: int
    newest_ms: int


@dataclass(frozen=True)
class ClaimedFor:
    """Whose job was claimed, and when, in milliseconds since 1970."""

    kind: str
    tenant: str
    claimed_ms: int


class ClaimOrder:
    """The turns of one worker. For one thread at a time.

    Args:
        kinds: The kinds that the worker serves.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = list(kinds)
        # Of each kind, the tenant whose job was the last that any worker claimed, as far as it is known.
        self._last: dict[str, tuple[int, str]] = {}
        self._running: dict[str, tuple[float, dict[str, int]]] = {}
        self._of_one_tenant: set[str] = set()

    @property
    def kinds(self) -> list[str]:
        """The kinds, the one whose turn it is first."""
        return list(self._kinds)

    def last_tenant(self, kind: str) -> str | None:
        """Return the tenant whose job of `kind` was the last that was claimed."""
        return self._last[kind][1] if kind in self._last else None

    def has_turns(self, kind: str) -> bool:
        """Return whether several tenants may have jobs of `kind`. With one, nothing has to be counted."""
        return kind not in self._of_one_tenant

    def note_tenants(self, kind: str, tenants: Sequence[str]) -> None:
        """Note which tenants had jobs of `kind` at the last look. A look may be for one tenant only."""
        if {*tenants, self.last_tenant(kind)} - {None} <= set(tenants[:1]):
            self._of_one_tenant.add(kind)
        else:
            self._of_one_tenant.discard(kind)

    def running(self, kind: str, count: Callable[[], Sequence[TenantJobs]]) -> Mapping[str, int]:
        """Return how many jobs of `kind` run on all workers, by tenant, as of a moment ago.

        Args:
            kind: Name of the kind.
            count: Counts them.
        """
        until, counts = self._running.get(kind, (0.0, {}))
        began = time.monotonic()
        if began >= until:
            found = count()
            counts = {jobs.tenant: jobs.number for jobs in found}
            newest = max(((jobs.newest_ms, jobs.tenant) for jobs in found), default=(0, ""))
            if newest[0] > self._last.get(kind, (0, ""))[0]:
                self._last[kind] = newest
            ended = time.monotonic()
            self._running[kind] = ended + min(KEEP_COUNTS_S, QUERY_TIMES * (ended - began)), counts
        return counts

    def note(self, claimed: Sequence[ClaimedFor]) -> None:
        """Note whose jobs were claimed.

        Args:
            claimed: One entry for each job, in the order of the claims.
        """
        for job in claimed:
            self._last[job.kind] = (job.claimed_ms, job.tenant)
            if job.kind in self._running:
                counts = self._running[job.kind][1]
                counts[job.tenant] = counts.get(job.tenant, 0) + 1
        if claimed:
            place = self._kinds.index(claimed[0].kind) + 1
            self._kinds = self._kinds[place:] + self._kinds[:place]
