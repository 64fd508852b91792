"""nginx with the example of this repository, on private ports, in a folder of its own."""

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from getpass import getuser
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.servers import Server, free_port

EXAMPLE = Path(__file__).parents[1] / "deploy" / "nginx" / "brushwork.conf"
NAME = "brushwork.example.com"
# What Debian's own file sets. The user is whoever runs the tests, whose folders are closed to others.
MAIN = """\
{user}
worker_processes 2;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/brushwork.conf;
}}
"""


# What nginx does by itself: no line of the example that matters for a restart.
PLAIN = """\
upstream brushwork { server 10.0.0.11:8600; server 10.0.0.12:8600; }
server {
    listen 443 ssl;
    ssl_certificate /etc/ssl/brushwork/fullchain.pem;
    ssl_certificate_key /etc/ssl/brushwork/privkey.pem;
    location / { proxy_pass http://brushwork; }
}
"""


def needs_nginx() -> str:
    """Return the path of nginx; skip where it is missing, and fail in CI."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        message = "there is no nginx here (Debian: apt-get install nginx-light)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


class NginxServer(Server):
    """nginx in front of gateways.

    Args:
        folder: For its configuration, its certificate, its logs and its temporary files.
        gateways: Addresses of the gateways.
        configuration: The configuration; by default the example of this repository. Only its addresses, ports
            and certificate are replaced.
    """

    def __init__(self, folder: Path, gateways: Sequence[str], configuration: str | None = None) -> None:
        self._program = needs_nginx()
        self.folder = folder / "nginx"
        self.folder.mkdir()
        self.port, self.plain_port = free_port(), free_port()
        self.address = f"https://127.0.0.1:{self.port}"
        self._certificate = self._made_certificate()
        text = EXAMPLE.read_text("utf-8") if configuration is None else configuration
        (self.folder / "brushwork.conf").write_text(self._placed(text, gateways))
        user = f"user {getuser()};" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(MAIN.format(folder=self.folder, user=user))

    @property
    def trust(self) -> ssl.SSLContext:
        """What a caller needs to trust its certificate."""
        return ssl.create_default_context(cafile=str(self._certificate))

    @property
    def errors(self) -> str:
        """Its log of errors."""
        return (self.folder / "error.log").read_text()

    def command(self) -> list[str]:
        configuration = str(self.folder / "nginx.conf")
        return [
            self._program,
            "-p",
            str(self.folder),
            "-c",
            configuration,
            "-e",
            str(self.folder / "error.log"),
        ]

    def answers(self) -> bool:
        try:
            return httpx.get(self.address, verify=self.trust).status_code > 0
        except httpx.TransportError:
            return False

    def _placed(self, text: str, gateways: Sequence[str]) -> str:
        examples = re.findall(r"server (10\.0\.0\.\d+:8600)", text)
        for example, gateway in zip(examples, gateways, strict=True):
            text = text.replace(example, urlsplit(gateway).netloc)
        text = re.sub(r" *listen \[::\].*\n", "", text)
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        text = text.replace("listen 80", f"listen 127.0.0.1:{self.plain_port}")
        return text.replace("/etc/ssl/brushwork", str(self.folder))

    def _made_certificate(self) -> Path:
        certificate = self.folder / "fullchain.pem"
        options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
        files = ["-keyout", str(self.folder / "privkey.pem"), "-out", str(certificate)]
        command = ["openssl", "req", "-x509", *options, *names, *files]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)
        return certificate
