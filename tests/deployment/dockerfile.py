"""What a Dockerfile says of the processes of its image."""

import json
import re
import shlex
import signal
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """An image as its Dockerfile makes it.

    Args:
        base: The image that it starts from.
        entrypoint: First words of every command line.
        command: Further words where the service has none.
        environment: Variables of all processes.
        folder: Where its processes start.
        user_id: Of its processes.
        own_folders: Folders that belong to this user. A new volume there does, too.
        sources: What is copied from the checkout.
        stop_signal: Asks its processes to stop.
    """

    base: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    user_id: int
    own_folders: tuple[str, ...]
    sources: tuple[str, ...]
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass
class _Reading:
    steps: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def read_dockerfile(file: Path) -> Image:
    """Return what a Dockerfile says; the last line of a kind counts."""
    reading = _Reading()
    for line in re.sub(r"\\\n", " ", file.read_text("utf-8")).splitlines():
        step, _, words = line.strip().partition(" ")
        if not step or step.startswith("#"):
            continue
        reading.steps[step] = words
        if step == "ENV":
            reading.environment.update(pair.split("=", 1) for pair in shlex.split(words))
        elif step == "RUN":
            reading.runs.append(words)
        elif step == "COPY":
            reading.sources.extend(words.split()[:-1])
    user = reading.steps.get("USER", "root")
    return Image(
        base=reading.steps["FROM"],
        entrypoint=tuple(json.loads(reading.steps.get("ENTRYPOINT", "[]"))),
        command=tuple(json.loads(reading.steps.get("CMD", "[]"))),
        environment=reading.environment,
        folder=reading.steps.get("WORKDIR", "/"),
        user_id=_user_id(user, reading.runs),
        own_folders=_owned(user, reading.runs),
        sources=tuple(reading.sources),
        stop_signal=signal.Signals[reading.steps.get("STOPSIGNAL", "SIGTERM")],
    )


def _user_id(user: str, runs: list[str]) -> int:
    if user == "root":
        return 0
    for run in runs:
        if found := re.search(rf"useradd --uid (\d+) {user}\b", run):
            return int(found[1])
    raise AssertionError(f"no step makes the user {user}")


def _owned(user: str, runs: list[str]) -> tuple[str, ...]:
    made = {word for run in runs for part in re.findall(r"mkdir ([^&;]+)", run) for word in part.split()}
    owned = [
        word for run in runs for part in re.findall(rf"chown {user} ([^&;]+)", run) for word in part.split()
    ]
    return tuple(word for word in owned if word in made)
