"""Run flows: one runner for threads, one for asyncio. Everything that differs between the two is here."""

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from brushwork.transports.flow import Flow, HttpRequest, Pause, Step, Work

if TYPE_CHECKING:
    from brushwork.transports.connection import Connection

T = TypeVar("T")

# The HTTP senders are imported when they are needed: a direct client does not load httpx.


class SyncRunner:
    """Runs flows in the calling thread. Safe to share between threads.

    Args:
        connection: How to reach the gateway; None if no flow sends HTTP requests.
    """

    def __init__(self, connection: "Connection | None") -> None:
        self._sender = None
        if connection is not None:
            from brushwork.transports.http_sender import HttpSender

            self._sender = HttpSender(connection)

    def run(self, flow: Flow[T]) -> T:
        """Perform all steps of `flow` and return its value."""
        resume, value = flow.send, None
        try:
            while True:
                step = resume(value)
                try:
                    resume, value = flow.send, self._perform(step)
                except Exception as error:
                    resume, value = flow.throw, error
        except StopIteration as stop:
            returned: T = stop.value
            return returned
        finally:
            flow.close()

    def close(self) -> None:
        """Close the HTTP connections."""
        if self._sender is not None:
            self._sender.close()

    def _perform(self, step: Step) -> Any:
        match step:
            case Pause(seconds):
                return time.sleep(seconds)
            case Work(do):
                return do()
            case HttpRequest():
                return _checked(self._sender).send(step)


class AsyncRunner:
    """Runs flows in an event loop. Work that blocks runs in threads.

    Args:
        connection: How to reach the gateway; None if no flow sends HTTP requests.
    """

    def __init__(self, connection: "Connection | None") -> None:
        self._sender = None
        if connection is not None:
            from brushwork.transports.http_sender import AsyncHttpSender

            self._sender = AsyncHttpSender(connection)

    async def run(self, flow: Flow[T]) -> T:
        """Perform all steps of `flow` and return its value."""
        resume, value = flow.send, None
        try:
            while True:
                step = resume(value)
                try:
                    resume, value = flow.send, await self._perform(step)
                except Exception as error:
                    resume, value = flow.throw, error
        except StopIteration as stop:
            returned: T = stop.value
            return returned
        finally:
            flow.close()

    async def close(self) -> None:
        """Close the HTTP connections."""
        if self._sender is not None:
            await self._sender.close()

    async def _perform(self, step: Step) -> Any:
        match step:
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Work(do):
                return await asyncio.to_thread(do)
            case HttpRequest():
                return await _checked(self._sender).send(step)


_Sender = TypeVar("_Sender")


def _checked(sender: _Sender | None) -> _Sender:
    if sender is None:
        raise TypeError("this runner has no connection to a gateway, but the flow sends an HTTP request")
    return sender
