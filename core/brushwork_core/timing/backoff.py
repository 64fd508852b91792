"""Exponential backoff: the pause after each failure in a row is twice as long as the one before."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

# 2 ** 1024 exceeds a float, and any limit is reached long before 2 ** 64.
MAX_DOUBLINGS = 64
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Backoff:
    """Pauses between attempts that fail.

    Args:
        first_s: Seconds after the first failure, greater than 0.
        longest_s: Upper limit of a pause in seconds.
    """

    first_s: float
    longest_s: float

    def pause_s(self, failures: int) -> float:
        """Return the seconds to wait after `failures` failures in a row, at least 1."""
        return float(min(self.first_s * 2 ** min(failures - 1, MAX_DOUBLINGS), self.longest_s))


def retried(
    attempt: Callable[[], _Result],
    *,
    is_temporary: Callable[[Exception], bool],
    backoff: Backoff,
    timeout_s: float,
) -> _Result:
    """Call `attempt` until it returns, and return its result.

    Args:
        attempt: Called once, and again after each temporary error.
        is_temporary: Whether an error may go away by itself. Other errors are raised at once.
        backoff: Pauses between the calls.
        timeout_s: Seconds after which the next temporary error is raised too.
    """
    give_up = time.monotonic() + timeout_s
    failures = 0
    while True:
        try:
            return attempt()
        except Exception as error:
            if not is_temporary(error) or time.monotonic() > give_up:
                raise
        failures += 1
        time.sleep(backoff.pause_s(failures))
