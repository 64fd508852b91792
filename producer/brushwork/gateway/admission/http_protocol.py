"""Uvicorn's HTTP protocol with a limit on the head of a request, and with problems as its refusals."""

from http import HTTPStatus

from brushwork_schemas.errors import BrushworkError, HeadersTooLarge, RequestError
from brushwork_schemas.wording.phrase import said
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from brushwork.gateway.problems import answer_to

# The parser keeps everything that it receives before the end of the headers.
LONGEST_HEAD_BYTES = 64 * 2**10


class BoundedHttp(HttpToolsProtocol):
    """Closes connections whose headers do not end, and answers what is not HTTP with a problem."""

    _num_head_bytes = 0
    _is_in_head = True

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the connection."""
        if self._is_in_head:
            self._num_head_bytes += len(data)
        super().data_received(data)
        # The bytes after the head in the same piece may be a body of any size.
        if self._is_in_head and self._num_head_bytes > LONGEST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(
                HeadersTooLarge(
                    said(
                        "The head of the request is larger than {longest_head_bytes} bytes.",
                        longest_head_bytes=LONGEST_HEAD_BYTES,
                    )
                )
            )

    def on_headers_complete(self) -> None:
        """Stop to count: the head has ended."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count again: after the body follows the head of the next request."""
        self._is_in_head = True
        self._num_head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP, and close the connection."""
        self._refuse(RequestError(msg))

    def _refuse(self, error: BrushworkError) -> None:
        answer = answer_to(error, {"Connection": "close"})
        status = HTTPStatus(answer.status_code)
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}".encode(),
            *(name + b": " + value for name, value in answer.raw_headers),
        ]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
