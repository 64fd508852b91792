"""Flower in the embedded stack: read-only, on loopback, without a login, for names of loopback alone."""

import importlib.util
import socket
import sys

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder

GRACE_S = 3.0
CONNECT_TIMEOUT_S = 0.2


def flower(folder: DataFolder, redis_url: str, port: int | None = None) -> tuple[Part, int] | None:
    """Return the part that runs Flower, and its port; None if Flower is not installed."""
    if importlib.util.find_spec("flower") is None:
        return None
    port = port or folder.port("flower")
    options = ["--address=127.0.0.1", f"--port={port}", "--read-only", "--logging=warning"]
    argv = (sys.executable, "-m", "brushwork.embedded.flower_process", *options)
    # In the environment, for all users of the machine can read the arguments of a process. Without this
    # variable, Flower refuses API calls without a login. Its pages show the same data on loopback anyway.
    environment = {"BROKER_URL": redis_url, "FLOWER_UNAUTHENTICATED_API": "true"}
    return Part("flower", argv, environment, grace_s=GRACE_S), port


def answers(port: int) -> bool:
    """Return whether Flower accepts connections."""
    try:
        with socket.create_connection(("127.0.0.1", port), CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False
