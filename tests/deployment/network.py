"""The network of the containers: a bridge in a network namespace of its own, and published ports."""

import contextlib
import selectors
import socket
import subprocess
import threading
from pathlib import Path

BRIDGE, HOST, PREFIX = "brushwork", "10.77.0.1", "10.77.0."
FIRST_HOST = 10
PIECE_BYTES = 65_536
LOOK_S = 0.2


def make_bridge() -> None:
    """Make the network of this process' network namespace, which must be a new one."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", f"{HOST}/16", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def address_of(number: int) -> str:
    """The address of the service of that number."""
    return f"{PREFIX}{FIRST_HOST + number}"


def connect(pid: int, number: int, life: int) -> None:
    """Give the network namespace of a process an interface `eth0` on the bridge.

    As with Docker, its hardware address is made from its IP address. With another one after a restart, the
    others would send to the old one until they ask again.
    """
    ours, theirs = f"b{number}-{life}", f"c{number}-{life}"
    hardware = "02:42:" + ":".join(f"{int(part):02x}" for part in address_of(number).split("."))
    _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "address", hardware)
    _ip("link", "set", ours, "master", BRIDGE, "up")
    _ip("link", "set", theirs, "netns", str(pid), "name", "eth0")


def write_hosts(file: Path, addresses: dict[str, str]) -> Path:
    """Write the names of all services, as a container finds them."""
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


class PublishedPort:
    """A port of this machine's loopback whose connections lead to a container, as long as that runs.

    Args:
        port: The port here.
        to: Address and port in the container.
    """

    def __init__(self, port: int, to: tuple[str, int]) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Refuse all further connections. Those that are open stay open until an end closes them."""
        self._ended = True
        # A thread that waits in `accept` keeps the socket open without this.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=[caller], daemon=True).start()

    def _forward(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError), socket.create_connection(self._to, timeout=10) as service:
            service.settimeout(None)
            _copy_both_ways(caller, service)


def _copy_both_ways(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while selector.get_map():
            for key, _ in selector.select():
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                if piece := source.recv(PIECE_BYTES):
                    target.sendall(piece)
                else:
                    selector.unregister(source)
                    target.shutdown(socket.SHUT_WR)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
