"""Which processes of this machine are gone: seen at once, where a lease would take its time to run out."""

import os
import socket
from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc")


@cache
def here() -> str:
    """Names this machine and its space of process ids: containers on one machine do not see each other's."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return f"{socket.gethostname()}/{psutil.boot_time():.0f}"


def started_at(pid: int) -> float | None:
    """What tells a process from a later one of the same number: when it began.

    Returns:
        None if there is none: a dead one whose parent has not noticed counts as none.

    Raises:
        OSError: Nobody may see it.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        # It is there, and somebody else's.
        pass
    return _ticks(pid) if (PROC / "self/stat").exists() else _seconds(pid)


def is_gone(host: str, pid: int, began: float) -> bool:
    """Whether a process of this machine has ended; False for those of others, of whom nothing is known."""
    if host != here():
        return False
    try:
        return started_at(pid) != began
    except OSError:
        return False


def _ticks(pid: int) -> float | None:
    """Of the kernel's clock since the machine's start.

    psutil would add the time of that start, which moves whenever somebody sets the clock: all workers would
    seem to be gone.
    """
    state, *fields = (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return None if state in "ZX" else float(fields[18])


def _seconds(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
    except psutil.Error as error:
        raise OSError(str(error)) from error
