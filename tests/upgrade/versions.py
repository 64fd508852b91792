"""Environments of two versions of this repository: one of its history, and the working tree."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fresh_environment import ROOT, Environment
from tests.structure.rooms import checked_out


@dataclass(frozen=True)
class Pair:
    """A revision, and what lies between it and the working tree.

    Args:
        name: Its name on the command line.
        revision: The revision.
        between: What the tables have got since.
        goes_back: Whether its programs start on the tables of the working tree.
    """

    name: str
    revision: str
    between: str
    goes_back: bool = True


PAIRS = {
    pair.name: pair
    for pair in (
        # The last revision before rooms and names were moved.
        Pair(
            "additions",
            "c50291044008c8064354ec3ecdd2b3e6691a95af",
            "all additions, which programs of that version do not know",
        ),
        # It knows the first addition, and refuses to start if its version table names another one.
        Pair(
            "first-addition",
            "825d396",
            "all additions but the first, and the record of the oldest program",
        ),
        # Its tables end at 0006. Migration 0007 declares no older program, so it does not start again.
        Pair(
            "migration",
            "cb6672524262f918ff2496b856a6abc668d3ca46",
            "migration 0007 and all additions",
            goes_back=False,
        ),
    )
}


def is_here(revision: str) -> bool:
    """Whether the history of this clone has a revision."""
    command = ("git", "cat-file", "-e", revision)
    return subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


def expect_here(revision: str) -> None:
    """Skip where the history of this clone does not have a revision; in CI, fail."""
    if is_here(revision):
        return
    message = f"the history of this clone has no revision {revision}; fetch all of it: git fetch --unshallow"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def environments(folder: Path, revision: str) -> tuple[Environment, Environment]:
    """Install the revision and the working tree, each into an environment of its own."""
    source = folder / "source"
    source.mkdir()
    return (
        Environment.made(folder / "before", checked_out(revision, source)),
        Environment.made(folder / "after", ROOT),
    )
