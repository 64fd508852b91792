"""A server that speaks as much of the Hugging Face hub's protocol as fetching files takes."""

import hashlib
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_open"
LARGE = (".safetensors", ".bin", ".pth")


class HubServer:
    """Repositories by name, all at `COMMIT`; every file of a gated one needs `TOKEN`.

    Files beside them are served by their path alone.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.files: dict[str, bytes] = {}
        # What the hub says of a file, where that is not what it sends.
        self.claims: dict[str, bytes] = {}
        # Of these it sends so many bytes, once, and hangs up.
        self.cuts: dict[str, int] = {}
        # Path and first byte of every file that was sent.
        self.sent: list[tuple[str, int]] = []
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def description(self, repository: str) -> dict[str, Any]:
        files = self.repositories[repository]
        return {
            "id": repository,
            "sha": COMMIT,
            "gated": "auto" if repository in self.gated else False,
            "cardData": {"license": "apache-2.0"},
            "siblings": [self._sibling(name, self.claims.get(name, files[name])) for name in files],
        }

    def _sibling(self, name: str, content: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324
        described: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if name.endswith(LARGE):
            sha256 = hashlib.sha256(content).hexdigest()
            described["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
        return described


class _Server(ThreadingHTTPServer):
    def __init__(self, hub: HubServer) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path.lstrip("/")
        if path.startswith("api/models/"):
            self._describe(path.removeprefix("api/models/"))
        elif path in self.server.hub.files:
            self._send(path, self.server.hub.files[path], with_body=with_body)
        else:
            self._resolve(path, with_body=with_body)

    def _describe(self, path: str) -> None:
        repository, _, revision = path.partition("/revision/")
        if repository not in self.server.hub.repositories:
            self._refuse(HTTPStatus.NOT_FOUND, "RepoNotFound")
        elif revision != COMMIT:
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        else:
            body = json.dumps(self.server.hub.description(repository)).encode()
            self._begin(HTTPStatus.OK, len(body))
            self.wfile.write(body)

    def _resolve(self, path: str, *, with_body: bool) -> None:
        repository, _, rest = path.partition("/resolve/")
        name = rest.removeprefix(f"{COMMIT}/")
        content = self.server.hub.repositories.get(repository, {}).get(name)
        if repository in self.server.hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._refuse(HTTPStatus.FORBIDDEN, "GatedRepo")
        elif content is None:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
        else:
            self._send(name, content, with_body=with_body)

    def _send(self, name: str, content: bytes, *, with_body: bool) -> None:
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if asked and start >= len(content):
            return self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "")
        status = HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK
        etag = hashlib.sha256(content).hexdigest()
        self._begin(status, len(content) - start, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        if not with_body:
            return
        self.server.hub.sent.append((name, start))
        cut = self.server.hub.cuts.pop(name, None)
        self.wfile.write(content[start:] if cut is None else content[start : start + cut])
        self.close_connection = cut is not None

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        self._begin(status, 0, {"X-Error-Code": code})

    def _begin(self, status: HTTPStatus, length: int, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass
