"""The waiting loop: ask again and again until there is an answer or the time is over."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def poll(look: Callable[[], _T | None], *, every_s: float, timeout_s: float | None = None) -> _T | None:
    """Call `look` until it returns something other than None, and return that.

    Args:
        look: Called at least once. What it raises ends the loop.
        every_s: Seconds between two calls.
        timeout_s: Seconds after which None is returned; None to wait without a limit.
    """
    give_up = None if timeout_s is None else time.monotonic() + timeout_s
    while (found := look()) is None:
        if give_up is not None and time.monotonic() >= give_up:
            return None
        time.sleep(every_s)
    return found
