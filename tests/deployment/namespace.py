"""A network namespace of its own for the containers, with a process namespace that ends them all."""

import os
import shutil
import subprocess
import sys

ENTERED = "BRUSHWORK_TESTS_NAMESPACE"
NAMESPACES = ("--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child")
NEEDED = ("unshare", "nsenter", "ip", "setpriv")


def missing() -> str | None:
    """What this machine lacks to run containers as plain processes; None if it has all."""
    programs = [name for name in NEEDED if shutil.which(name) is None]
    if programs:
        return f"these programs are missing: {', '.join(programs)}"
    if os.geteuid() != 0:
        return "it needs root: mounts, users and networks of containers"
    bridge = "ip link add test-bridge type bridge && mount -t tmpfs tmpfs /mnt"
    tried = subprocess.run(["unshare", *NAMESPACES, "sh", "-c", bridge], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"namespaces cannot be used: {tried.stderr.strip()}"


def enter() -> None:
    """Run this program again, in new namespaces, unless it runs there already."""
    if os.environ.get(ENTERED):
        return
    ended = subprocess.run(
        ["unshare", *NAMESPACES, sys.executable, *sys.orig_argv[1:]],
        env={**os.environ, ENTERED: "1"}, check=False,
    )  # fmt: skip
    sys.exit(ended.returncode)
