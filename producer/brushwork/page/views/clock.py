"""Times and durations as text in the language of the reader."""

from datetime import UTC, datetime

from markupsafe import Markup

from brushwork.page.words import Words

_STEPS = ((60.0, 1.0, "seconds"), (3600.0, 60.0, "minutes"), (86400.0, 3600.0, "hours"))


def duration(seconds: float, t: Words) -> Markup:
    """Return a duration as text, such as `3 min`."""
    if seconds < 1:
        return t("duration.milliseconds", n=max(0, round(seconds * 1000)))
    if seconds < 10:
        return t("duration.seconds", n=f"{seconds:.1f}")
    unit, number = _in_units(seconds)
    return t(f"duration.{unit}", n=number)


def ago(moment: datetime, t: Words) -> Markup:
    """Return the distance of a moment to now, such as `3 min ago` or `in 3 min`."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds < -1:
        return t("ago.soon", duration=duration(-seconds, t))
    if seconds < 2:
        return t("ago.now")
    unit, number = _in_units(seconds)
    return t(f"ago.{unit}", n=number)


def until(moment: datetime) -> float:
    """Return the seconds from now to a moment; 0 if it has passed."""
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def stamp(moment: datetime) -> str:
    """Return a moment as text, such as `2026-05-01 12:30:05 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _in_units(seconds: float) -> tuple[str, int]:
    for below, size, unit in _STEPS:
        if seconds < below:
            return unit, int(seconds / size)
    return "days", int(seconds / 86400.0)
