"""The HTTP gateway in the embedded stack, on loopback and at a port that is easy to remember."""

import importlib.util
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder, is_free

PORT = 8600
# The extra `gateway`. Without one of them the gateway could not be imported.
PACKAGES = ("fastapi", "jinja2", "limits", "python_multipart", "sse_starlette", "uvicorn")
# More than the grace time of the gateway for open responses.
GRACE_S = 8.0
ANSWER_TIMEOUT_S = 1.0


def gateway(
    folder: DataFolder, addresses: Mapping[str, str], port: int | None = None
) -> tuple[Part, int] | None:
    """Return the part that runs the gateway, and its port; None if one of its packages is not installed.

    Args:
        folder: Data folder, which keeps the port.
        addresses: Settings with the addresses of the servers.
        port: TCP port. None means `PORT`, or a free one if that is in use; 0 means a free one.
    """
    if any(importlib.util.find_spec(package) is None for package in PACKAGES):
        return None
    if port is None and is_free(PORT, taken=[]):
        port = PORT
    port = port or folder.port("gateway")
    argv = (sys.executable, "-m", "brushwork", "gateway", f"--port={port}", "--no-access-log")
    environment = {**addresses, "BRUSHWORK_DATA": str(folder.path)}
    return Part("gateway", argv, environment, grace_s=GRACE_S), port


def answers(port: int) -> bool:
    """Return whether the gateway answers. Its port is open before it can answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
