"""A gateway that stops: no open connection is reset, and load balancers see that it comes."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from brushwork.gateway.stop import closing_socket, stopping
from brushwork_core.settings.settings import Settings

from tests.live_gateways import Listening
from tests.servers import wait_until

pytestmark = pytest.mark.one_database("the gateway stops, not the database")
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def stopped(gateway: Listening) -> Iterator[None]:
    """Stop a gateway in another thread; the `with` block begins when the stop has begun."""
    thread = threading.Thread(target=gateway.stop)
    thread.start()
    wait_until(lambda: gateway._app.state.stopping.has_begun, what="the stop")
    yield
    thread.join()


def _answer(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def _connected(gateway: Listening) -> socket.socket:
    host, port = gateway.address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    wait_until(lambda: len(gateway._server.connections), what="the connection")
    return connection


@pytest.mark.parametrize("sent_before", [b"", ALIVE[:20]])
def test_a_connection_whose_request_is_on_the_way_is_answered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, sent_before: bytes
) -> None:
    """As a proxy meets it that has opened a connection at this moment."""
    monkeypatch.setattr(stopping, "LATE_REQUEST_S", 15.0)
    with Listening(settings) as gateway, _connected(gateway) as connection:
        connection.sendall(sent_before)
        with stopped(gateway):
            # Its port is closed, so the stop has come to the connections.
            wait_until(lambda: not gateway._server.servers[0].is_serving(), what="the end of listening")
            connection.sendall(ALIVE[len(sent_before) :])
            answer = _answer(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()


def test_a_connection_without_a_request_does_not_hold_the_gateway(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "LATE_REQUEST_S", 0.2)
    with Listening(settings) as gateway, _connected(gateway) as connection:
        with stopped(gateway):
            pass
        assert _answer(connection) == b""


def test_readiness_fails_while_the_gateway_still_works(settings: Settings) -> None:
    with Listening(settings.model_copy(update={"drain_s": 60.0})) as gateway, stopped(gateway):
        ready = httpx.get(f"{gateway.address}/readyz")
        job = httpx.post(f"{gateway.address}/v1/jobs", json={"kind": "text-to-image", "prompt": "x"})
        # As a second Ctrl-C does.
        gateway._server.force_exit = True
    assert (ready.status_code, "stopping" in ready.json()["detail"]) == (503, True)
    # What comes is answered, and whoever keeps connections learns to open none here.
    assert (job.status_code, job.headers["Connection"]) == (201, "close")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can hold back connections")
def test_the_kernel_holds_back_new_connections_and_keeps_those_that_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        with socket.create_connection(address) as waiting:
            waiting.sendall(b"sent")
            assert closing_socket._drop_new(listening)
            with socket.socket() as late:
                late.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    late.connect(address)
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.recv(4) == b"sent"


def test_a_socket_that_is_not_of_tcp_is_closed_as_ever(tmp_path_factory: pytest.TempPathFactory) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path_factory.mktemp("s") / "s"))
        listening.listen()
        assert not closing_socket._drop_new(listening)
