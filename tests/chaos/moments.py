"""Moments at which something goes wrong."""

import time

from tests.servers import wait_until


def pause(seconds: float) -> None:
    """Let a drawn time pass: the fault is to come at any moment, not at one that something waits for."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, bound_s=seconds + 10)
