"""Many open event streams in one asyncio process with raw sockets, and the delay of each event."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

STREAM_HEAD = "GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
ROUND_S = 30.0


@dataclass
class Stream:
    """One open stream.

    Args:
        reader: Where events come from.
        writer: Its other half.
        heard: When each step was heard of.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: dict[int, float] = field(default_factory=dict)

    @classmethod
    async def opened(cls, host: str, port: int, job_id: str) -> "Stream":
        """A stream whose snapshot has come."""
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(STREAM_HEAD.format(job_id=job_id).encode())
        stream = cls(reader, writer)
        await stream.until(b"event: snapshot")
        return stream

    async def until(self, line: bytes) -> None:
        """Read up to such a line."""
        while not (read := await self.reader.readline()).startswith(line):
            if not read:
                raise RuntimeError("the stream has ended")

    async def hear(self, step: int) -> None:
        """Wait for the news of a step, and note when it came."""
        while step not in self.heard:
            await self.until(b"event: progress")
            said = await self.reader.readline()
            self.heard[int(json.loads(said.removeprefix(b"data: "))["step"])] = time.perf_counter()


async def latencies(
    streams: Sequence[Stream], tell: Callable[[int], None], pauses_s: Sequence[float]
) -> list[float]:
    """Seconds from the moment a step was written down until each stream heard of it.

    Args:
        streams: All of them hear of each step.
        tell: Writes a step down.
        pauses_s: Before each step; so many steps there are.
    """
    seconds = []
    for step, pause_s in enumerate(pauses_s, start=1):
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(tell, step)
        told = time.perf_counter()
        async with asyncio.timeout(ROUND_S):
            await asyncio.gather(*(stream.hear(step) for stream in streams))
        # One that heard of it before the writer did has waited for nothing.
        seconds += [max(0.0, stream.heard[step] - told) for stream in streams]
    return seconds
