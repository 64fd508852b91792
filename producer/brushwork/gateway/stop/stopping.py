"""The stop of a gateway: no request is lost, and load balancers see that it comes."""

from brushwork_schemas.errors import ServiceUnreachable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from brushwork.gateway.connections.http_protocol import BoundedHttp

# A connection without a request is closed after so many seconds. Its request may be on the way.
LATE_REQUEST_S = 1.0


class Stopping:
    """Whether the gateway stops. From then on, readiness fails and each answer closes its connection."""

    def __init__(self) -> None:
        self.has_begun = False

    def begin(self) -> None:
        """Note that the gateway stops."""
        self.has_begun = True

    def check(self) -> None:
        """Check that the gateway does not stop.

        Raises:
            ServiceUnreachable: It stops.
        """
        if self.has_begun:
            raise ServiceUnreachable("This gateway is stopping.", hint="Use another gateway, or try again.")


class StoppableHttp(BoundedHttp):
    """Waits a moment for the first request of a connection. uvicorn would close it, and reset the request."""

    def shutdown(self) -> None:
        """Close the connection: now, after its request, or if no request comes."""
        if self.cycle is None and not self.transport.is_closing():
            self.loop.call_later(LATE_REQUEST_S, self._close_unused)
        else:
            HttpToolsProtocol.shutdown(self)

    def _close_unused(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False
