"""A server that speaks as much of ModelScope's HTTP API as listing and fetching files takes."""

import hashlib
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
TOKEN = "ms-open"


class ModelScopeServer:
    """Repositories by name, all at `COMMIT`; those that are private need `TOKEN`.

    The answers have the form of those of modelscope.cn: an envelope with `Code` and `Data`, errors with HTTP
    status 404 or 200, folders among the files, files behind a redirect.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: set[str] = set()
        # SHA-256 that the listing states, where it is not that of the file; None for none.
        self.claims: dict[str, str | None] = {}
        # Names that the listing has besides.
        self.more: list[str] = []
        # Of these it sends so many bytes, once, and hangs up.
        self.cuts: dict[str, int] = {}
        # Status of errors.
        self.error_status = HTTPStatus.NOT_FOUND
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

    def listing(self, repository: str) -> dict[str, Any]:
        files = self.repositories[repository]
        folders = {name.rpartition("/")[0] for name in files} - {""}
        trees = [{"Path": name, "Name": name, "Type": "tree", "Size": 0, "Sha256": ""} for name in folders]
        names = [*files, *self.more]
        return {"Files": [*trees, *(self._described(name, files.get(name, b"")) for name in names)]}

    def _described(self, name: str, content: bytes) -> dict[str, Any]:
        sha256 = self.claims.get(name, hashlib.sha256(content).hexdigest())
        described = {"Path": name, "Name": name.rpartition("/")[2], "Type": "blob", "Size": len(content)}
        return described if sha256 is None else {**described, "Sha256": sha256, "IsLFS": len(content) > 1000}


class _Server(ThreadingHTTPServer):
    def __init__(self, told: ModelScopeServer) -> None:
        self.told = told
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        parts = address.path.strip("/").split("/")
        if parts[0] == "cdn":
            return self._send_file("/".join(parts[1:3]), "/".join(parts[3:]))
        if parts[:3] != ["api", "v1", "models"]:
            return self.send_error(HTTPStatus.NOT_FOUND)
        self._answer("/".join(parts[3:5]), "/".join(parts[5:]), query)

    def _answer(self, repository: str, path: str, query: dict[str, str]) -> None:
        told = self.server.told
        if repository not in told.repositories:
            return self._fail(10010205001, "record not found")
        if repository in told.private and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._fail(10010200001, "no access")
        if path and query.get("Revision") != COMMIT:
            return self._fail(10990101004, "no file tree")
        if not path:
            return self._send({"Code": 200, "Success": True, "Data": {"License": "Apache License 2.0"}})
        if path == "repo/files":
            return self._send({"Code": 200, "Success": True, "Data": told.listing(repository)})
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", f"{told.url}/cdn/{repository}/{query['FilePath']}")
        self.end_headers()

    def _send_file(self, repository: str, name: str) -> None:
        told, content = self.server.told, self.server.told.repositories[repository].get(name)
        if content is None:
            return self.send_error(HTTPStatus.NOT_FOUND)
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        told.sent.append((name, start))
        self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = told.cuts.pop(name, None)
        self.wfile.write(content[start:] if cut is None else content[start : start + cut])
        if cut is not None:
            self.close_connection = True

    def _fail(self, code: int, message: str) -> None:
        self._send({"Code": code, "Success": False, "Message": message}, self.server.told.error_status)

    def _send(self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""
