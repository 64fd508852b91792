"""Flower beside the embedded stack: on loopback, read-only, open to whoever sits at this machine."""

import importlib.util
import socket
import sys

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder

GRACE_S = 3.0
CONNECT_TIMEOUT_S = 0.2


def flower(folder: DataFolder, redis_url: str, port: int | None = None) -> tuple[Part, int] | None:
    """The part that runs Flower, and its port; None where Flower is not installed."""
    if importlib.util.find_spec("flower") is None:
        return None
    port = port or folder.port("flower")
    options = ["--address=127.0.0.1", f"--port={port}", "--read-only", "--logging=warning"]
    argv = (sys.executable, "-m", "celery", "--quiet", "flower", *options)
    # By the environment: every user of the machine can read the arguments of a process. Flower would
    # refuse its API without a login; on loopback and read-only, the pages show as much as the API.
    environment = {"BROKER_URL": redis_url, "FLOWER_UNAUTHENTICATED_API": "true"}
    return Part("flower", argv, environment, grace_s=GRACE_S), port


def answers(port: int) -> bool:
    """Whether Flower takes connections."""
    try:
        with socket.create_connection(("127.0.0.1", port), CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False
