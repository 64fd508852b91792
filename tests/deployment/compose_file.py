"""What `docker-compose config` prints: each service with its command, environment, mounts and order."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[2]
EXAMPLE = TOP / ".env.example"
_NAME = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SOURCE, _MODE = 0, 2


@dataclass(frozen=True)
class Mount:
    """A volume of a service.

    Args:
        source: Name of the volume.
        target: Folder in the container.
        read_only: Whether the service cannot write to it.
    """

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class Health:
    """A health check: its command, and seconds between its runs."""

    command: tuple[str, ...]
    interval_s: float
    timeout_s: float


class Service:
    """A service as printed, in any of the forms that the versions of Compose print.

    Args:
        name: Name of the service.
        printed: Its mapping.
    """

    def __init__(self, name: str, printed: Mapping[str, Any]) -> None:
        self.name = name
        self.printed = printed

    @property
    def image(self) -> str:
        """Name of its image."""
        return str(self.printed["image"])

    @property
    def dockerfile(self) -> Path | None:
        """The file that its image is built from; None for an image of others."""
        build = self.printed.get("build")
        return TOP / build["dockerfile"] if build else None

    @property
    def entrypoint(self) -> tuple[str, ...] | None:
        """What stands in place of the image's entry point; None where nothing does."""
        return _words(self.printed.get("entrypoint"))

    @property
    def command(self) -> tuple[str, ...] | None:
        """What stands in place of the image's command; None where nothing does."""
        return _words(self.printed.get("command"))

    @cached_property
    def environment(self) -> dict[str, str]:
        """Variables of the container. Those without a value are left out, as the engine does."""
        pairs = self.printed.get("environment") or {}
        return {name: _plain(str(value)) for name, value in pairs.items() if value is not None}

    @property
    def mounts(self) -> list[Mount]:
        """Its volumes."""
        return [_mount(each) for each in self.printed.get("volumes") or ()]

    @property
    def ports(self) -> list[tuple[int, int]]:
        """Ports of this machine's loopback, with the port of the container to which each leads."""
        return [_port(each) for each in self.printed.get("ports") or ()]

    @property
    def temporary(self) -> list[str]:
        """Folders in memory."""
        found = self.printed.get("tmpfs") or []
        return [found] if isinstance(found, str) else list(found)

    @property
    def is_read_only(self) -> bool:
        """Whether it can write to nothing but its volumes and folders in memory."""
        return bool(self.printed.get("read_only"))

    @property
    def after(self) -> dict[str, str]:
        """The services that must be there before it, with the condition of each."""
        return {name: each["condition"] for name, each in (self.printed.get("depends_on") or {}).items()}

    @property
    def profiles(self) -> list[str]:
        """The profiles of which one must be chosen; none for a service that always starts."""
        return list(self.printed.get("profiles") or ())

    @property
    def grace_s(self) -> float:
        """Seconds between the signal to stop and the end by force."""
        return seconds(self.printed.get("stop_grace_period") or "10s")

    @property
    def restarts(self) -> str:
        """Its restart policy."""
        return str(self.printed.get("restart", "no"))

    @property
    def health(self) -> Health | None:
        """Its health check; None where it has none."""
        check = self.printed.get("healthcheck")
        if not check:
            return None
        form, *words = (_plain(word) for word in check["test"])
        command = ("/bin/sh", "-c", *words) if form == "CMD-SHELL" else tuple(words)
        return Health(command, seconds(check["interval"]), seconds(check["timeout"]))


def compose_command() -> list[str] | None:
    """The command of Compose that is installed; None where there is none."""
    if shutil.which("docker") and _succeeds("docker", "compose", "version"):
        return ["docker", "compose"]
    found = shutil.which("docker-compose")
    return [found] if found else None


def printed_services(env_file: Path = EXAMPLE, *more: str) -> dict[str, Service]:
    """The services that `config` prints, those of all profiles.

    Args:
        env_file: File of variables.
        more: Files that are merged over the compose file.
    """
    command = compose_command()
    assert command is not None, "docker-compose is not installed"
    if command[0] == "docker":
        env_file_options = ["--env-file", str(env_file), "--profile", "*"]
    else:
        env_file_options = ["--env-file", str(env_file)]
    files = [word for file in ("docker-compose.yml", *more) for word in ("-f", file)]
    # Variables of this process would win over those of the file.
    found = subprocess.run(
        [*command, *env_file_options, *files, "config"],
        cwd=TOP, env={"PATH": "/usr/local/bin:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    services = yaml.safe_load(found.stdout)["services"]
    return {name: Service(name, printed) for name, printed in services.items()}


def example_values() -> dict[str, str]:
    """The names of `.env.example` with their values, those that are commented out too."""
    return dict(_NAME.findall(EXAMPLE.read_text("utf-8")))


def write_env_file(file: Path, values: Mapping[str, str]) -> Path:
    """Write a file of variables for Compose, and return it."""
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), "utf-8")
    return file


def seconds(text: str) -> float:
    """Return a duration of Compose, such as 1m30s, in seconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    assert parts, text
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _words(printed: Any) -> tuple[str, ...] | None:
    if printed is None:
        return None
    assert isinstance(printed, list), "commands are lists, so that no version splits them in its own way"
    return tuple(_plain(str(word)) for word in printed)


def _plain(text: str) -> str:
    """The text in the container: a `$` is printed twice, since what is printed may be read again."""
    return text.replace("$$", "$")


def _mount(printed: Any) -> Mount:
    if isinstance(printed, dict):
        return Mount(printed["source"], printed["target"], bool(printed.get("read_only")))
    parts = str(printed).split(":")
    return Mount(parts[_SOURCE], parts[1], len(parts) > _MODE and "ro" in parts[_MODE].split(","))


def _port(printed: Any) -> tuple[int, int]:
    if isinstance(printed, dict):
        return int(printed["published"]), int(printed["target"])
    _, here, there = str(printed).removesuffix("/tcp").split(":")
    return int(here), int(there)
