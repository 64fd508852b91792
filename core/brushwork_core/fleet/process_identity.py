"""Identifies this process for its reports of metrics, so that a successor can continue them at once."""

import os
import re
import secrets
import socket

from brushwork_core.fleet.process_liveness import here, is_gone, started_at
from brushwork_core.telemetry.process_reports import ProcessIdentity

# A worker without a name has its process id in place of one.
_UNNAMED = re.compile(r"brushwork-\d+@(.*)")


def identity(role: str) -> ProcessIdentity:
    """Return the identity of a process whose name is its role and host.

    Args:
        role: `sender` or `gateway`.
    """
    return ProcessIdentity(f"{role}@{socket.gethostname()}", role, _owner(), has_ended=_has_ended)


def worker_identity(name: str) -> ProcessIdentity:
    """Return the identity of a worker.

    Args:
        name: Full name of the worker, `name@host`.
    """
    unnamed = _UNNAMED.fullmatch(name)
    # No two live workers have the same name.
    return ProcessIdentity(
        f"worker@{unnamed[1]}" if unnamed else name,
        "worker",
        _owner(),
        is_only_one=unnamed is None,
        has_ended=_has_ended,
    )


def _owner() -> str:
    """The process, and a random number because its id is used again after a restart of the machine."""
    return f"{here()}|{os.getpid()}|{started_at(os.getpid()) or 0.0}|{secrets.token_hex(4)}"


def _has_ended(owner: str) -> bool:
    try:
        host, pid, began, _ = owner.split("|")
        return is_gone(host, int(pid), float(began))
    except ValueError:
        return False
