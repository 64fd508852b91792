"""A limit on the event streams and waiting requests that are open at once: in total, and per tenant."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_schemas.errors import TooManyStreams
from brushwork_schemas.wording.phrase import said

MAX_STREAMS = 1000
MAX_STREAMS_PER_TENANT = 250
HINT = "Try again later, or poll the job with GET /v1/jobs/{job_id}."


class StreamLimit:
    """Counts open streams. Use it only in the event loop."""

    def __init__(self) -> None:
        self._open: Counter[str | None] = Counter()

    def check(self, tenant: str | None) -> None:
        """Check that one more stream may be opened now.

        Args:
            tenant: Tenant of the API key; None if the gateway is open, where only the total counts.

        Raises:
            TooManyStreams: The limit is reached.
        """
        if self._open.total() >= MAX_STREAMS:
            raise TooManyStreams(
                said(
                    "Too many open event streams and waiting requests. The limit of this gateway "
                    "is {max_streams}.",
                    max_streams=MAX_STREAMS,
                ),
                hint=HINT,
            )
        if tenant is not None and self._open[tenant] >= MAX_STREAMS_PER_TENANT:
            raise TooManyStreams(
                said(
                    "Too many open event streams and waiting requests of one tenant. The limit is "
                    "{max_streams_per_tenant}.",
                    max_streams_per_tenant=MAX_STREAMS_PER_TENANT,
                ),
                hint=HINT,
            )

    @contextmanager
    def opened(self, tenant: str | None) -> Iterator[None]:
        """Count a stream as open inside the `with` block.

        Raises:
            TooManyStreams: The limit is reached.
        """
        self.check(tenant)
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
            # Without this the counter would keep an entry for every tenant that ever came.
            if not self._open[tenant]:
                del self._open[tenant]
