"""One result of a check."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    """It works, but with a disadvantage or a risk."""
    FAIL = "fail"
    """Something does not work."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        about: Name of the check.
        level: How serious it is.
        message: What the check found.
        hint: How to fix it; None if nothing is wrong.
    """

    about: str
    level: Level
    message: str
    hint: str | None = None


def ok(about: str, message: str) -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(about, Level.OK, message)


def warn(about: str, message: str, hint: str) -> Finding:
    """Return a finding about a disadvantage or a risk."""
    return Finding(about, Level.WARN, message, hint)


def fail(about: str, message: str, hint: str | None) -> Finding:
    """Return a finding that something does not work."""
    return Finding(about, Level.FAIL, message, hint)
