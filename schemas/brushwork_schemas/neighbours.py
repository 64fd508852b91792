"""Which processes of this machine are gone: seen at once, where a lease would take its time to run out."""

import os
import socket
from functools import cache
from pathlib import Path

import psutil

# Two readings of one process's start may differ by a tick of the clock.
SAME_START_S = 1.0


@cache
def here() -> str:
    """Names this machine and its space of process ids: containers on one machine do not see each other's."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{socket.gethostname()}/{psutil.boot_time():.0f}"


def started_at(pid: int) -> float:
    """When a process began, seconds since 1970; 0 if there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def is_gone(host: str, pid: int, began: float) -> bool:
    """Whether a process of this machine has ended; False for those of others, of whom nothing is known."""
    return host == here() and abs(started_at(pid) - began) > SAME_START_S
