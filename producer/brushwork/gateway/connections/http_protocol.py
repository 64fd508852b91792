"""Uvicorn's HTTP protocol with limits on what a connection may cost, and with problems as its refusals.

The parser (llhttp) is strict about what a request is, but sets no limit on its parts. It keeps a header until
its line ends, and it reports trailers as if they were headers of the request. So this class counts.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
from brushwork_schemas.errors import (
    BrushworkError,
    HeadersTooLarge,
    RequestError,
    RequestTimeout,
    TooManyConnections,
)
from brushwork_schemas.wording.phrase import said
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from brushwork.gateway.connections.connections import Connections
from brushwork.gateway.connections.deadlines import Deadlines, Phase
from brushwork.gateway.connections.endings import Ending
from brushwork.gateway.problems import answer_to


class _Refused(Exception):
    """Stops the parser in the middle of the bytes that it was given."""

    def __init__(self, ending: Ending, error: BrushworkError) -> None:
        super().__init__(ending)
        self.ending = ending
        self.error = error


class BoundedHttp(HttpToolsProtocol):
    """One connection.

    Args:
        connections: All connections of the process, with the limits.
        options: Those of uvicorn.
    """

    def __init__(self, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self._all = connections
        self._limits = connections.limits
        self._deadlines = Deadlines(connections.limits, connections.clock())
        self._refusal: _Refused | None = None
        self._num_head_bytes = self._num_headers = self._num_framing_bytes = 0
        self._is_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it if all others are busy."""
        super().connection_made(transport)
        if not self._all.admit(self):
            self._refuse(
                TooManyConnections("The gateway is busy with as many connections as it can hold."), None
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_ends()
        self._all.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the connection."""
        if self._is_over or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._deadlines.phase is not Phase.BODY:
            self._deadlines.head_began(self._all.clock())
        try:
            self._num_framing_bytes += len(data)
            self.parser.feed_data(data)
            self._count(len(data))
        except _Refused as refused:
            self._refuse(refused.error, refused.ending)
        except httptools.HttpParserUpgrade:
            # The rest of the connection would be of another protocol, and the gateway has none.
            self._is_over = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            invalid = _Refused(Ending.MALFORMED, RequestError("Invalid HTTP request received."))
            found = self._refusal or invalid
            self._refuse(found.error, found.ending)

    def on_message_begin(self) -> None:
        """Begin a head, on a connection that may have had other requests before."""
        self._num_head_bytes = self._num_headers = 0
        self._deadlines.head_began(self._all.clock())
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. One that comes after the body is a trailer, and is dropped."""
        if self._deadlines.phase is Phase.BODY:
            return
        self._num_headers += 1
        if self._num_headers > self._limits.headers:
            self._stop(
                Ending.LARGE_HEAD,
                HeadersTooLarge(said("The request has more than {most} headers.", most=self._limits.headers)),
            )
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the application begin."""
        self._head_ends()
        if len(self.pipeline) >= self._limits.pipelined:
            self._stop(Ending.PIPELINED, RequestError("Too many requests wait for an earlier answer."))
        if self.parser.should_upgrade() and _has_body(self.headers):
            # The parser would read the body as the next request.
            self._stop(
                Ending.MALFORMED,
                RequestError("Upgrade: not supported. Send the request without it.", field="Upgrade"),
            )
        self._num_framing_bytes = 0
        self._deadlines.body_began(self._all.clock())
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on bytes of the body."""
        self._num_framing_bytes = 0
        self._deadlines.body_came(len(body), self._all.clock())
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect nothing more: the request is complete."""
        self._num_framing_bytes = 0
        self._deadlines.request_ended()
        self._all.works(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a body that is not wanted."""
        if not self.pipeline:
            self._deadlines.answered(self._all.clock())
            self._all.waits(self)
        super().on_response_complete()

    def overdue(self, now: float) -> Ending | None:
        """Return why the connection must end now; None if it may go on."""
        is_closing = self.transport.is_closing()
        is_full = self.flow.write_paused or is_closing
        num_unread = self.transport.get_write_buffer_size() if is_full else 0
        is_held = self.flow.read_paused or (self.cycle is not None and self.cycle.waiting_for_100_continue)
        ending = self._deadlines.overdue(now, is_held=is_held, num_unread=num_unread)
        return None if is_closing and ending is not Ending.SLOW_READER else ending

    def end(self, ending: Ending) -> None:
        """End the connection, because its client is too slow."""
        if ending is Ending.SLOW_READER:
            self._all.note(ending)
            self.transport.abort()
        elif not self.transport.is_closing():
            self._refuse(RequestTimeout("The request came too slowly, so the gateway has closed."), ending)

    def drop(self) -> None:
        """Close the connection at once, without an answer."""
        self._is_over = True
        self.transport.abort()

    def _count(self, num_bytes: int) -> None:
        if self._deadlines.phase is Phase.HEAD:
            self._count_head(num_bytes)
        elif self._deadlines.phase is Phase.BODY:
            # The body of a client that is idle may have to make room; one that comes may not.
            self._all.waits(self)
            if self._num_framing_bytes > self._limits.framing_bytes:
                raise _Refused(
                    Ending.LARGE_FRAMING, RequestError("The trailers or chunk extensions are too large.")
                )

    def _count_head(self, num_bytes: int) -> None:
        before = self._num_head_bytes
        self._num_head_bytes += num_bytes
        small = self._limits.small_head_bytes
        is_shared = self._all.holds_head(max(0, self._num_head_bytes - small) - max(0, before - small))
        if self._num_head_bytes > self._limits.head_bytes or not is_shared:
            raise _Refused(
                Ending.LARGE_HEAD,
                HeadersTooLarge(
                    said(
                        "The head of the request is larger than {longest_head_bytes} bytes.",
                        longest_head_bytes=self._limits.head_bytes if is_shared else small,
                    )
                ),
            )

    def _head_ends(self) -> None:
        self._all.holds_head(-max(0, self._num_head_bytes - self._limits.small_head_bytes))
        self._num_head_bytes = 0

    def _stop(self, ending: Ending, error: BrushworkError) -> None:
        # The parser replaces the exception of a callback by one of its own.
        self._refusal = _Refused(ending, error)
        raise self._refusal

    def _refuse(self, error: BrushworkError, ending: Ending | None) -> None:
        """Answer with a problem, unless an answer has begun already, and close."""
        if ending is not None:
            self._all.note(ending)
        self._is_over = True
        self._all.works(self)
        is_answering = self.cycle is not None and self.cycle.response_started
        if not (self.pipeline or (is_answering and not self.cycle.response_complete)) and not (
            # Nobody has asked anything yet.
            ending is Ending.SLOW_HEAD and not self._num_head_bytes
        ):
            self.transport.write(_answer_bytes(error))
        self.transport.close()


def _has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    named = dict(headers)
    return b"transfer-encoding" in named or named.get(b"content-length", b"0").strip() != b"0"


# Answers as bytes, by code and message. Thousands of connections may end at the same moment.
_ANSWERS: dict[tuple[str, str], bytes] = {}


def _answer_bytes(error: BrushworkError) -> bytes:
    known = _ANSWERS.get((error.code, error.message))
    if known is None:
        answer = answer_to(error, {"Connection": "close"})
        status = HTTPStatus(answer.status_code)
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}".encode(),
            *(name + b": " + value for name, value in answer.raw_headers),
        ]
        known = b"\r\n".join([*lines, b"", bytes(answer.body)])
        _ANSWERS[error.code, error.message] = known
    return known
