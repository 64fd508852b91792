"""The HTTP gateway beside the embedded stack: on loopback, at a port that people can remember."""

import importlib.util
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder, is_free

PORT = 8600
# A little more than the gateway gives to what it still sends.
GRACE_S = 8.0
ANSWER_TIMEOUT_S = 1.0


def gateway(
    folder: DataFolder, addresses: Mapping[str, str], port: int | None = None
) -> tuple[Part, int] | None:
    """The part that runs the gateway, and its port; None where its packages are not installed.

    Args:
        folder: Where a port is remembered.
        addresses: Of the servers.
        port: By default `PORT`, or a free one where that is taken; 0 is a free one.
    """
    if any(importlib.util.find_spec(package) is None for package in ("fastapi", "uvicorn")):
        return None
    if port is None and is_free(PORT, taken=[]):
        port = PORT
    port = port or folder.port("gateway")
    argv = (sys.executable, "-m", "brushwork", "gateway", f"--port={port}", "--no-access-log")
    environment = {**addresses, "BRUSHWORK_DATA": str(folder.path)}
    return Part("gateway", argv, environment, grace_s=GRACE_S), port


def answers(port: int) -> bool:
    """Whether the gateway answers; that its port is open says less, for it is so from its first moment."""
    connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
