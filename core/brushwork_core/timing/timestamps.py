"""Timestamps: the database stores whole milliseconds since 1970, callers see datetimes in UTC."""

from datetime import UTC, datetime
from typing import overload


@overload
def moment_of(milliseconds: float) -> datetime: ...


@overload
def moment_of(milliseconds: float | None) -> datetime | None: ...


def moment_of(milliseconds: float | None) -> datetime | None:
    """Return the datetime of a stored timestamp; None for None.

    Args:
        milliseconds: Since 1970.
    """
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def milliseconds_of(moment: datetime) -> int:
    """Return the timestamp to store for `moment`, rounded to whole milliseconds since 1970."""
    return round(moment.timestamp() * 1000)
