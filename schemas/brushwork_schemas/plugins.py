"""Plug-ins: kinds, families, catalogues and policies that installed distributions register as entry points.

A distribution registers an object, or a sequence of objects, under one of the groups below. The built-in
kinds, families, catalogue and policies are registered in the same way. A plug-in that fails to load is left
out and logged; `brushwork doctor` lists it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

LOGGER = logging.getLogger(__name__)
KINDS, FAMILIES, CATALOGUES = "brushwork.kinds", "brushwork.families", "brushwork.catalogues"
POLICIES = "brushwork.policies"
# The built-in objects are registered by this distribution; they come first.
OWN = "brushwork"
LONGEST_REASON = 500
_Plugin = TypeVar("_Plugin")


@dataclass(frozen=True)
class FailedPlugin:
    """An entry point that could not be used.

    Args:
        group: Entry point group, such as `brushwork.kinds`.
        name: Name of the entry point.
        distribution: Name of the distribution that registers it.
        reason: Why it was left out.
        part: The part that was left out, such as `models.x` of a catalogue; "" if nothing is used.
    """

    group: str
    name: str
    distribution: str
    reason: str
    part: str = ""


_FAILED: dict[tuple[str, str, str, str], FailedPlugin] = {}
# The entry point of each registered object, by group and key.
_POINTS: dict[tuple[str, str], EntryPoint] = {}


def failed_plugins() -> Sequence[FailedPlugin]:
    """Entry points that were left out so far, and left-out parts of others, over all groups."""
    return tuple(_FAILED.values())


def leave_out_part(group: str, key: str, part: str, reason: str) -> None:
    """Record and log that a part of a registered object is not used; the rest of it is.

    Args:
        group: Entry point group.
        key: Key of the object.
        part: Name of the part, such as `models.x` of a catalogue.
        reason: Why.
    """
    _leave_out(_POINTS[group, key], reason, part)


def distribution_of(group: str, key: str) -> str:
    """Return the distribution that registered an object, such as a kind by its name; "" if unknown."""
    point = _POINTS.get((group, key))
    return _owner(point) if point else ""


def _accept(plugin: Any) -> None:
    pass


def registered(
    group: str,
    expected: type[_Plugin],
    key: Callable[[_Plugin], str],
    check: Callable[[_Plugin], object] = _accept,
) -> dict[str, _Plugin]:
    """Return the objects of an entry point group by key.

    Args:
        group: Entry point group.
        expected: Class of the objects.
        key: Returns the name of an object. Of two objects with one name the built-in one is kept; else the
            one of the distribution whose name sorts first.
        check: Raises an exception for an object of another distribution that cannot be used.
    """
    found: dict[str, _Plugin] = {}
    for point in _points(group):
        objects = _loaded(point, expected)
        for index, each in enumerate(objects):
            # If an entry point has several objects, the others are used.
            part = f"[{index}]" if len(objects) > 1 else ""
            if _owner(point) != OWN and not _passes(point, each, check, part):
                continue
            if key(each) in found:
                owner = _owner(_POINTS[group, key(each)])
                _leave_out(point, f"{key(each)!r} is registered already, by {owner}", part)
            else:
                found[key(each)] = each
                _POINTS[group, key(each)] = point
    return found


@cache
def _points(group: str) -> Sequence[EntryPoint]:
    return sorted(
        entry_points(group=group), key=lambda point: (_owner(point) != OWN, _owner(point), point.name)
    )


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else ""


def _loaded(point: EntryPoint, expected: type[_Plugin]) -> Sequence[_Plugin]:
    try:
        value = point.load()
    # A plug-in may raise anything while it is imported, and may call `sys.exit`; the others must work.
    except (Exception, SystemExit) as error:
        _leave_out(point, f"{type(error).__name__}: {error}")
        return ()
    objects = value if isinstance(value, tuple | list) else (value,)
    for each in objects:
        if not isinstance(each, expected):
            _leave_out(point, f"{point.value} is a {type(each).__name__}, not a {expected.__name__}")
            return ()
    return objects


def _passes(point: EntryPoint, plugin: _Plugin, check: Callable[[_Plugin], object], part: str) -> bool:
    try:
        check(plugin)
    # The check reads objects of the plug-in, which may raise anything.
    except (Exception, SystemExit) as error:
        _leave_out(point, f"{type(error).__name__}: {error}", part)
        return False
    return True


def _leave_out(point: EntryPoint, reason: str, part: str = "") -> None:
    # The text of a foreign exception may have many lines.
    reason = " ".join(reason.split())[:LONGEST_REASON]
    place = (point.group, point.name, _owner(point), part)
    if place not in _FAILED:
        _FAILED[place] = FailedPlugin(point.group, point.name, _owner(point), reason, part)
        what = f"{part} of plug-in {point.name}" if part else f"Plug-in {point.name}"
        LOGGER.warning("%s of %s (%s) is left out: %s", what, _owner(point), point.group, reason)
