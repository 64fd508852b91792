"""The time by which a request must have been written, or nothing of it is.

A proxy gives up a request after a while. Its caller would not learn the ids of jobs that were written later.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from brushwork_schemas.errors import ServiceUnreachable

_UNTIL: ContextVar[float | None] = ContextVar("brushwork_write_until", default=None)


@contextmanager
def written_within(seconds: float) -> Iterator[None]:
    """Limit the time inside of the `with` block, also in threads that are started there."""
    token = _UNTIL.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _UNTIL.reset(token)


def left_s() -> float | None:
    """Return the seconds that are left; None without a limit."""
    until = _UNTIL.get()
    return None if until is None else until - time.monotonic()


def check_time() -> None:
    """Check that there is time left.

    Raises:
        ServiceUnreachable: The time is over.
    """
    if (left := left_s()) is not None and left <= 0:
        raise too_long()


def too_long() -> ServiceUnreachable:
    """Return the error of a request that took too long."""
    return ServiceUnreachable(
        "The request took too long to read and to check. Nothing was accepted.",
        hint="Send it again, with fewer jobs or files at once. Upload large files before, with POST "
        "/v1/files.",
    )
