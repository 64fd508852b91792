"""nginx with the example of `deploy/nginx`, as a process of its own."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import wait_until

ADDRESS = "http://127.0.0.1:8080"
# Stands for the frame that the packages of nginx have; the example is a file of `conf.d`.
FRAME = """
daemon off;
user root;
worker_processes 1;
error_log {folder}/nginx-error.log notice;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/nginx-access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {example};
}}
"""


class Proxy:
    """A running nginx.

    Args:
        folder: Folder of its files.
        example: The configuration of the service, such as `deploy/nginx/brushwork.conf`.
    """

    def __init__(self, folder: Path, example: Path) -> None:
        folder.mkdir()
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(FRAME.format(folder=folder, example=example), "utf-8")
        self._log = folder / "said.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as said:
            self._process = subprocess.Popen(
                ["nginx", "-c", str(self._configuration)], stdout=said, stderr=said
            )
        wait_until(lambda: self._configuration.with_name("nginx.pid").exists(), what=self._log.read_text())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)
