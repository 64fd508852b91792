"""A light HTTP load generator: raw sockets in one asyncio process, one request at a time per socket.

python -m benchmarks.http_load HOST PORT < requests.json > seconds.json
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_BLANK = b"\r\n\r\n"


@dataclass(frozen=True)
class Requests:
    """The requests to send.

    Args:
        paths: One for each request.
        connections: So many are open at once, each with one request on its way.
        method: Of all of them.
        body: Of all of them.
    """

    paths: Sequence[str]
    connections: int = 1
    method: str = "GET"
    body: str = ""


@dataclass(frozen=True)
class Answers:
    """The responses.

    Args:
        seconds: Of each request, from its first byte sent to the last of its answer.
        wall_s: Of all together.
    """

    seconds: Sequence[float]
    wall_s: float


async def ask(host: str, port: int, requests: Requests) -> Answers:
    """Ask them all."""
    waiting = iter(requests.paths)
    connections = [await asyncio.open_connection(host, port) for _ in range(requests.connections)]
    began = time.perf_counter()
    parts = await asyncio.gather(
        *(_asked(reader, writer, requests, waiting) for reader, writer in connections)
    )
    wall_s = time.perf_counter() - began
    for _, writer in connections:
        writer.close()
    return Answers([second for part in parts for second in part], wall_s)


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Requests, waiting: Iterator[str]
) -> list[float]:
    body = requests.body.encode()
    rest = (
        f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    seconds = []
    for path in waiting:
        began = time.perf_counter()
        writer.write(f"{requests.method} {path} HTTP/1.1\r\n".encode() + rest + body)
        head = await reader.readuntil(_BLANK)
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            raise RuntimeError(f"{requests.method} {path}: {head.decode()}")
        await reader.readexactly(_length(head))
        seconds.append(time.perf_counter() - began)
    return seconds


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":", 1)[1])
    raise RuntimeError("the answer does not say how long it is")


def main() -> None:
    """Run the load generator as described in the module."""
    said: dict[str, Any] = json.load(sys.stdin)
    answers = asyncio.run(ask(sys.argv[1], int(sys.argv[2]), Requests(**said)))
    json.dump(asdict(answers), sys.stdout)


if __name__ == "__main__":
    main()
