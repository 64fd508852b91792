"""A service of the compose file as a process: root, user, network and environment of its container."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployment import network
from tests.deployment.compose_file import TOP, Service
from tests.deployment.dockerfile import Image, read_dockerfile
from tests.servers import postgres_programs, redis_program, wait_until

INSIDE = Path(__file__).with_name("inside.py")
STAND_INS = Path(__file__).with_name("images")
NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Place:
    """What all containers of a stack share.

    Args:
        folder: Folder of volumes, roots and logs.
            hosts: The file of their names.
    """

    folder: Path
    hosts: Path


class Container:
    """A container of a service. It may be started again after it has ended.

    Args:
        service: As Compose prints it.
        place: What it shares with the others.
        number: Its own, from which its address is made.
        is_published: Whether ports of this machine lead to it.
    """

    def __init__(self, service: Service, place: Place, number: int, *, is_published: bool = True) -> None:
        self.service = service
        self.name = service.name if is_published else f"{service.name}-run-{number}"
        self.log = place.folder / f"{self.name}.log"
        self.image = image_of(service)
        self._place = place
        self._number = number
        self._is_published = is_published
        self._lives = 0
        self._log_began = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._ports: list[network.PublishedPort] = []
        self._lock = threading.Lock()

    @property
    def hostname(self) -> str:
        """As Docker names containers: it stays when the container is started again."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:12]

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the image, and over them those of the service."""
        path = {
            "PATH": f"{_programs(self.service)}:{SYSTEM_PATH}",
            "HOSTNAME": self.hostname,
            "HOME": "/root",
        }
        return {**path, **self.image.environment, **self.service.environment}

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """All that it has written, in all its lives."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    @property
    def said_in_this_life(self) -> str:
        """What it has written since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._log_began)
            return log.read().decode("utf-8", "replace")

    def start(self, command: tuple[str, ...] | None = None) -> None:
        """Start it, with a command of its own in place of the service's."""
        self._lives += 1
        self._log_began = self.log.stat().st_size if self.log.exists() else 0
        spec = self._place.folder / "specs" / f"{self.name}.json"
        spec.parent.mkdir(exist_ok=True)
        spec.write_text(json.dumps(self._spec(command)), "utf-8")
        words = [
            "unshare",
            *NAMESPACES,
            "--fork",
            "--kill-child",
            sys.executable,
            "-I",
            "-S",
            str(INSIDE),
            str(spec),
        ]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=output, stderr=output)
        self._pid = self._find_pid()
        network.connect(self._pid, self._number, self._lives)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._ports = [network.PublishedPort(*each) for each in self._published()]

    def wait(self, bound_s: float) -> int:
        """Wait for its end, and return its exit status."""
        assert self._process is not None
        status = self._process.wait(bound_s)
        self._unpublish()
        return status

    def stop(self) -> int | None:
        """Ask it to stop, end it by force after its grace time, and return its status."""
        with self._lock:
            if not self.is_running:
                return self._process.returncode if self._process else None
            os.kill(self._pid, self.image.stop_signal)
            try:
                return self.wait(self.service.grace_s)
            except subprocess.TimeoutExpired:
                return self.kill()

    def kill(self) -> int:
        """End it by force, and return its status."""
        # The first process of its namespace, which takes all others with it.
        os.kill(self._pid, signal.SIGKILL)
        return self.wait(10)

    def execute(self, *command: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, as `docker exec` does."""
        enter = ("nsenter", f"--target={self._pid}", *NAMESPACES, "--root", "--wd", "--")
        user = self.image.user_id
        as_user = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--") if user else ()
        return subprocess.run(
            [*enter, *as_user, *command],
            env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def is_healthy(self) -> bool:
        """Whether its health check succeeds."""
        check = self.service.health
        assert check is not None
        return self.is_running and self.execute(*check.command, timeout_s=check.timeout_s * 4).returncode == 0

    def _find_pid(self) -> int:
        """The pid of its first process, as this process sees it."""
        assert self._process is not None
        file = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        wait_until(lambda: file.exists() and file.read_text().split(), what=f"the start of {self.name}")
        return int(file.read_text().split()[0])

    def _unpublish(self) -> None:
        for port in self._ports:
            port.close()
        self._ports = []

    def _published(self) -> list[tuple[int, tuple[str, int]]]:
        address = network.address_of(self._number)
        return [(here, (address, there)) for here, there in self.service.ports if self._is_published]

    def _spec(self, command: tuple[str, ...] | None) -> dict[str, Any]:
        service, image, folder = self.service, self.image, self._place.folder / "roots" / self.name
        for name in ("root", "scratch"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        words = service.command if command is None else command
        entry = image.entrypoint if service.entrypoint is None else service.entrypoint
        own_command = image.command if service.entrypoint is None else ()
        return {
            "root": str(folder / "root"),
            "tmpfs": service.temporary,
            "installed": _installed(),
            "mounts": [self._volume(each.source, each.target, each.read_only) for each in service.mounts],
            "hosts": str(self._place.hosts),
            "accounts": _accounts(image.user_id),
            "is_read_only": service.is_read_only,
            "address": network.address_of(self._number),
            "hostname": self.hostname,
            "folder": image.folder,
            "user_id": image.user_id,
            "command": [*entry, *(own_command if words is None else words)],
            "environment": self.environment,
        }

    def _volume(self, source: str, target: str, read_only: bool) -> dict[str, Any]:
        volume = self._place.folder / "volumes" / source
        if not volume.exists():
            volume.mkdir(parents=True)
            # A new volume takes over the owner of the folder that it is mounted on.
            if target in self.image.own_folders:
                os.chown(volume, self.image.user_id, self.image.user_id)
        return {"source": str(volume), "target": target, "read_only": read_only}


def image_of(service: Service) -> Image:
    """The image of a service: as its Dockerfile says, or that of others with the stand-in's entry point."""
    if service.dockerfile is not None:
        return read_dockerfile(service.dockerfile)
    # The image of PostgreSQL asks for this signal: on SIGTERM it would wait for its clients.
    stop_signal = signal.SIGINT if service.image.startswith("postgres:") else signal.SIGTERM
    return Image(service.image, (), (), {}, "/", 0, (), (), stop_signal)


def _accounts(user_id: int) -> dict[str, str]:
    """Lines that a Dockerfile's `useradd` writes for its user."""
    if user_id == 0:
        return {}
    return {
        "passwd": f"brushwork:x:{user_id}:{user_id}::/home/brushwork:/bin/sh",
        "group": f"brushwork:x:{user_id}:",
    }


def _programs(service: Service) -> str:
    """The folders of the programs that the image of a service has."""
    if service.dockerfile is not None:
        return str(Path(sys.executable).parent)
    if service.image.startswith("postgres:"):
        return f"{STAND_INS / 'postgres'}:{postgres_programs()}"
    return str(redis_program().parent)


def _installed() -> list[str]:
    """The folders that the image's packages stand for: the checkout, and whatever Python it runs on."""
    outside = {str(TOP), sys.prefix, sys.base_prefix, *(entry for entry in sys.path if entry)}
    folders = sorted(path for path in outside if Path(path).is_dir() and not path.startswith("/usr"))
    return [path for path in folders if not any(path.startswith(f"{other}/") for other in folders)]
