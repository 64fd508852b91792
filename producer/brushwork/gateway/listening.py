"""Where the gateway listens, and whom it believes."""

import socket
from dataclasses import dataclass

from brushwork_schemas.errors import InvalidRequest

from brushwork.hosts import is_loopback

BACKLOG = 2048


@dataclass(frozen=True)
class Listening:
    """Where the gateway is reached.

    Args:
        host: Name or address; only what is this machine's own loopback may be without keys.
        port: 0 is a free one.
        root_path: What a proxy puts before every path and takes away again.
        trusted_proxies: Addresses and networks, comma-separated, whose X-Forwarded-For and -Proto are
            believed; `*` is everybody's.
        access_log: Whether each request is logged.
    """

    host: str = "127.0.0.1"
    port: int = 8600
    root_path: str = ""
    trusted_proxies: str = ""
    access_log: bool = True

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can come in there."""
        return is_loopback(self.host)

    def bound(self) -> socket.socket:
        """A socket that listens there.

        Raises:
            InvalidRequest: There is no such address here, or the port is another program's.
        """
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        except OSError as error:
            reason = str(error.strerror or error).partition(" (while")[0]
            raise InvalidRequest(
                f"The gateway can't listen on {self.host}, port {self.port}: {reason}.",
                field="port",
                hint="Choose another: --port 0 is a free one.",
            ) from error


def address_of(listening: socket.socket, root_path: str = "") -> str:
    """The http address of a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{root_path}"
