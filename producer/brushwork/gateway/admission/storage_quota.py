"""The quota of stored bytes of a tenant."""

import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import IOBase
from tempfile import SpooledTemporaryFile

from brushwork_core.access.api_keys import ApiKey
from brushwork_schemas.errors import QuotaExceeded
from brushwork_schemas.wording.phrase import said

# For so long a sum is used, or 20 times as long as it took to add it up.
FRESH_S = 5.0
QUERY_TIMES = 20
MOST_CACHED = 10_000


class StorageQuota:
    """Checks the quota before files are stored. Files that are being stored count too.

    Each gateway process knows only its own such files, and results of running jobs are stored in any case. So
    a tenant may exceed its quota by a few files, and is refused after that.

    Args:
        stored_bytes: Returns the bytes of a tenant's files.
        most: Most bytes of any tenant; None for no limit.
        clock: Returns seconds of a clock that never goes back.
    """

    def __init__(
        self,
        stored_bytes: Callable[[str], int],
        most: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stored_bytes = stored_bytes
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._cached: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._coming: Counter[str] = Counter()

    @contextmanager
    def storing(self, key: ApiKey | None, tenant: str, num_bytes: int) -> Iterator[None]:
        """Count bytes as stored inside the `with` block, which stores them.

        Args:
            key: API key of the request, whose quota applies; None if the gateway is open.
            tenant: Tenant to whom the files will belong.
            num_bytes: Size of the files.

        Raises:
            QuotaExceeded: The files of the tenant would exceed the quota.
        """
        most = self._limit(key)
        if most is None:
            yield
            return
        stored = self._stored(tenant)
        with self._lock:
            total = stored + self._coming[tenant] + num_bytes
            if total > most or stored >= most:
                raise _exceeded(stored, most)
            self._coming[tenant] += num_bytes
        try:
            yield
            self._add(tenant, num_bytes)
        finally:
            with self._lock:
                self._coming[tenant] -= num_bytes
                if not self._coming[tenant]:
                    del self._coming[tenant]

    def _limit(self, key: ApiKey | None) -> int | None:
        limits = [self._most, key.max_stored_bytes if key else None]
        return min((each for each in limits if each is not None), default=None)

    def _stored(self, tenant: str) -> int:
        until, number = self._cached.get(tenant, (0.0, 0))
        began = self._clock()
        if began < until:
            return number
        number = self._stored_bytes(tenant)
        now = self._clock()
        with self._lock:
            self._cached[tenant] = (now + max(FRESH_S, QUERY_TIMES * (now - began)), number)
            self._cached.move_to_end(tenant)
            if len(self._cached) > MOST_CACHED:
                self._cached.popitem(last=False)
        return number

    def _add(self, tenant: str, num_bytes: int) -> None:
        with self._lock:
            until, number = self._cached.get(tenant, (0.0, 0))
            self._cached[tenant] = (until, number + num_bytes)


def num_bytes_of(file: object) -> int:
    """Return the size of a file that is given as bytes or open; 0 for anything else, such as a name."""
    if isinstance(file, bytes):
        return len(file)
    if not isinstance(file, IOBase | SpooledTemporaryFile):
        return 0
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def _exceeded(stored: int, most: int) -> QuotaExceeded:
    return QuotaExceeded(
        said(
            "The stored files of the tenant take {stored} bytes. Its quota is {most} bytes.",
            stored=stored,
            most=most,
        ),
        hint="Delete jobs that have ended, with DELETE /v1/jobs/ID, or ask the operator for a larger quota.",
    )
