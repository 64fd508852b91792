"""A tenant that takes all it can get, in a process of its own: `python -m tests.fairness.crowd`.

It holds event streams, holds the memory for bodies by slow uploads, uploads pictures without a pause, and has
the receivers of 300 webhooks: a third refuse connections, a third never answer, a third answer slowly.
It stops at the end of its standard input.
"""

import argparse
import asyncio
import io
import os
import socket
import sys
from contextlib import suppress

from PIL import Image

# Of a picture that the crowd uploads again and again.
SIDE = 1000
SLOW_BODY_BYTES = 19 * 2**20
PIECE, PIECE_EVERY_S = 8192, 2.0
# A slow receiver answers within the time limit of a delivery.
SLOW_ANSWER_S = 8.0
# Whoever is refused tries again after so many seconds.
AGAIN_S = 1.0


def noisy_picture(side: int) -> bytes:
    """A PNG that compresses badly, and is like no other."""
    picture = Image.frombytes("RGB", (side, side), os.urandom(3 * side * side))
    buffer = io.BytesIO()
    picture.quantize(64).convert("RGB").save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class Crowd:
    """The connections of the tenant.

    Args:
        port: Of the gateway, on this machine.
        key: The tenant's API key.
        job: A job of the tenant that does not end soon.
    """

    def __init__(self, port: int, key: str, job: str) -> None:
        self._port, self._key, self._job = port, key, job

    async def run(self, streams: int, slow_uploads: int, uploads: int) -> None:
        """Go on until this task is canceled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(streams):
                group.create_task(self._over_and_over(self._stream))
            for _ in range(slow_uploads):
                group.create_task(self._over_and_over(self._slow_upload))
            pictures = [noisy_picture(SIDE) for _ in range(4)]
            for index in range(uploads):
                group.create_task(self._over_and_over(self._upload, pictures[index % len(pictures)]))

    async def _over_and_over(self, once: object, *arguments: object) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                if await once(*arguments):  # type: ignore[operator]
                    continue
            await asyncio.sleep(AGAIN_S)

    async def _open(self, *lines: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = "\r\n".join([*lines, "Host: 127.0.0.1", f"Authorization: Bearer {self._key}", "", ""])
        writer.write(head.encode())
        return reader, writer

    async def _stream(self) -> None:
        reader, writer = await self._open(f"GET /v1/jobs/{self._job}/events HTTP/1.1")
        try:
            while await reader.read(65536):
                pass
        finally:
            writer.close()

    async def _slow_upload(self) -> None:
        reader, writer = await self._open(
            "POST /v1/files HTTP/1.1", "Content-Type: image/png", f"Content-Length: {SLOW_BODY_BYTES}"
        )
        try:
            while not reader.at_eof():
                writer.write(bytes(PIECE))
                await writer.drain()
                await asyncio.sleep(PIECE_EVERY_S)
        finally:
            writer.close()

    async def _upload(self, picture: bytes) -> bool:
        # Another file each time, that is decoded again.
        data = picture + os.urandom(8)
        reader, writer = await self._open(
            "POST /v1/files HTTP/1.1",
            "Content-Type: image/png",
            f"Content-Length: {len(data)}",
            "Connection: close",
        )
        try:
            writer.write(data)
            await writer.drain()
            return (await reader.read()).startswith(b"HTTP/1.1 201")
        finally:
            writer.close()


async def _answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(SLOW_ANSWER_S)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    writer.close()


async def _serve(options: argparse.Namespace) -> None:
    slow = await asyncio.start_server(_answer_slowly, "0.0.0.0", 0, backlog=512)  # noqa: S104
    with socket.create_server(("0.0.0.0", 0), backlog=512) as silent:  # noqa: S104
        crowd = Crowd(options.port, options.key, options.job)
        running = asyncio.create_task(crowd.run(options.streams, options.slow_uploads, options.uploads))
        print(slow.sockets[0].getsockname()[1], silent.getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def main() -> None:
    """Take all that can be taken; the first line has the ports of the slow and of the silent receivers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--slow-uploads", type=int, required=True)
    parser.add_argument("--uploads", type=int, required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
