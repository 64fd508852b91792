"""Detects processes of this machine that have ended, without waiting for a lease to expire."""

import os
import socket
from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc")


@cache
def here() -> str:
    """Return a name of this machine and its process id namespace. Each container has its own namespace."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return f"{socket.gethostname()}/{psutil.boot_time():.0f}"


def started_at(pid: int) -> float | None:
    """Return the start time of a process, which distinguishes it from a later process with the same id.

    Returns:
        None if there is no such process. A zombie counts as ended.

    Raises:
        OSError: The process cannot be inspected.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        # The process exists and belongs to another user.
        pass
    return _ticks(pid) if (PROC / "self/stat").exists() else _seconds(pid)


def is_gone(host: str, pid: int, began: float) -> bool:
    """Return whether a process of this machine has ended; False for processes of other machines."""
    if host != here():
        return False
    try:
        return started_at(pid) != began
    except OSError:
        return False


def _ticks(pid: int) -> float | None:
    """Start time in kernel ticks since the boot of the machine.

    psutil adds the boot time, which changes when the clock is set. Then all workers would seem to have ended.
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
