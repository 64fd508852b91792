"""A limit on the event streams and waiting requests that are open: in all, and a share for each tenant."""

from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_core.shares.fair_share import FairShare
from brushwork_schemas.errors import TooManyStreams
from brushwork_schemas.wording.phrase import said

MAX_STREAMS = 1000
MAX_STREAMS_PER_TENANT = 250
HINT = "Try again later, or poll the job with GET /v1/jobs/{job_id}."


class StreamLimit:
    """Counts open streams. Use it only in the event loop.

    Args:
        most: Most streams of all tenants.
        most_each: Most streams of one tenant, which may have fewer while others have many.
    """

    def __init__(self, most: int = MAX_STREAMS, most_each: int = MAX_STREAMS_PER_TENANT) -> None:
        self._most = most
        self._share = FairShare(most, most_each)

    def check(self, tenant: str | None) -> None:
        """Check that one more stream may be opened now.

        Args:
            tenant: Tenant of the API key; None if the gateway is open, where only the total counts.

        Raises:
            TooManyStreams: The limit is reached.
        """
        if self._share.may_take(tenant):
            return
        if self._share.free <= 0:
            raise TooManyStreams(
                said(
                    "Too many open event streams and waiting requests. The limit of this gateway "
                    "is {max_streams}.",
                    max_streams=self._most,
                ),
                hint=HINT,
            )
        raise TooManyStreams(
            said(
                "Too many open event streams and waiting requests of one tenant. Its share is now {share}.",
                share=self._share.held_by(tenant),
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
        self._share.take(tenant)
        try:
            yield
        finally:
            self._share.give_back(tenant)
