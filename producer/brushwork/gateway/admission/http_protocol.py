"""Uvicorn's HTTP, with a bound on what comes before a body."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The parser keeps all that it is sent until the headers end.
LONGEST_HEAD_BYTES = 64 * 2**10


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on who sends headers without end."""

    _num_head_bytes = 0
    _is_in_head = True

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._is_in_head:
            self._num_head_bytes += len(data)
        super().data_received(data)
        # What came with the end of the head may be a body of any size.
        if self._is_in_head and self._num_head_bytes > LONGEST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has ended: what follows is another head."""
        self._is_in_head = True
        self._num_head_bytes = 0
        super().on_message_complete()
