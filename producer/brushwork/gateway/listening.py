"""The address that the gateway listens on, and the proxies that it trusts."""

import socket
from dataclasses import dataclass

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

from brushwork.hosts import is_loopback

BACKLOG = 2048


@dataclass(frozen=True)
class Listening:
    """Where the gateway listens.

    Args:
        host: Host name or address. Without API keys, only a loopback address is allowed.
        port: TCP port; 0 selects a free one.
        root_path: Path prefix that a proxy removes from requests.
        trusted_proxies: Addresses and networks, separated by commas, whose X-Forwarded-For and
            X-Forwarded-Proto headers are used; `*` means all.
        access_log: Whether each request is logged.
    """

    host: str = "127.0.0.1"
    port: int = 8600
    root_path: str = ""
    trusted_proxies: str = ""
    access_log: bool = True

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    def bound(self) -> socket.socket:
        """Return a listening socket.

        Raises:
            InvalidRequest: The machine has no such address, or another program uses the port.
        """
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        except OSError as error:
            reason = str(error.strerror or error).partition(" (while")[0]
            raise InvalidRequest(
                said(
                    "port: the gateway cannot listen on {host}, port {port}: {reason}.",
                    host=self.host,
                    port=self.port,
                    reason=reason,
                ),
                field="port",
                hint="Choose another port. --port 0 selects a free one.",
            ) from error


def address_of(listening: socket.socket, root_path: str = "") -> str:
    """Return the http address of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{root_path}"
