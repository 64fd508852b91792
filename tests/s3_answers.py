"""A server that answers all requests of S3 with one prepared answer, and one that lacks a function."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


@dataclass(frozen=True)
class Answer:
    """An answer: its status, its body and its headers."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def error(cls, status: int, code: str, text: str = "", headers: dict[str, str] | None = None) -> "Answer":
        """An error in the XML of S3, with what servers tell of themselves."""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{text}</Message>'
            "<BucketName>pictures-inside</BucketName><HostId>storage-7.inside</HostId></Error>"
        )
        return cls(status, body, headers or {})


@contextmanager
def answering(answer: Answer, encryption: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield the address of a server that gives this answer to all requests, with `encryption` by https."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            # An answer to HEAD has no body, so it has no error code either.
            body = b"" if self.command == "HEAD" else answer.body.encode()
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer  # noqa: N815 (names of http.server)

        def log_message(self, *about: object) -> None:
            pass

    with serving(Handler, encryption) as address:
        yield address


@contextmanager
def refusing_conditions(endpoint: str) -> Iterator[str]:
    """Yield the address of a proxy to an S3 server; it refuses `If-None-Match`, as some servers do."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            if "if-none-match" in self.headers:
                status, body, headers = 501, Answer.error(501, "NotImplemented").body.encode(), {}
            else:
                given = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "content-length")}
                passed = httpx.request(
                    self.command, endpoint + self.path, content=sent, headers=given, timeout=10
                )
                status, body, headers = passed.status_code, passed.content, dict(passed.headers)
            self.send_response(status)
            for name, value in headers.items():
                if name not in ("content-length", "connection", "transfer-encoding", "content-encoding"):
                    self.send_header(name, value)
            size = headers.get("content-length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("content-length", size)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer  # noqa: N815 (names of http.server)

        def log_message(self, *about: object) -> None:
            pass

    with serving(Handler) as address:
        yield address


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], encryption: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield the address of a server with this handler."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if encryption is not None:
            server.socket = encryption.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            scheme, host = ("http", "127.0.0.1") if encryption is None else ("https", "localhost")
            yield f"{scheme}://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
