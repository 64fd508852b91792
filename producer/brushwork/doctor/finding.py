"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as well, or not for long."""
    FAIL = "fail"
    """Something does not work."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        about: What was looked at.
        level: How bad it is.
        message: What was seen.
        hint: What to do about it.
    """

    about: str
    level: Level
    message: str
    hint: str | None = None


def ok(about: str, message: str) -> Finding:
    """All is well there."""
    return Finding(about, Level.OK, message)


def warn(about: str, message: str, hint: str) -> Finding:
    """It works, but."""
    return Finding(about, Level.WARN, message, hint)


def fail(about: str, message: str, hint: str | None) -> Finding:
    """It does not work."""
    return Finding(about, Level.FAIL, message, hint)
