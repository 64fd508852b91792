"""Plug-ins: kinds, families and catalogues that installed distributions register as entry points.

A distribution registers an object, or a sequence of objects, under one of the groups below. The built-in
kinds, families and catalogue are registered in the same way. A plug-in that fails to load is left out and
logged; `brushwork doctor` lists it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

LOGGER = logging.getLogger(__name__)
KINDS, FAMILIES, CATALOGUES = "brushwork.kinds", "brushwork.families", "brushwork.catalogues"
# The built-in objects are registered by this distribution; they come first.
OWN = "brushwork"
_Plugin = TypeVar("_Plugin")


@dataclass(frozen=True)
class FailedPlugin:
    """An entry point that could not be used.

    Args:
        group: Entry point group, such as `brushwork.kinds`.
        name: Name of the entry point.
        distribution: Name of the distribution that registers it.
        reason: Why it was left out.
    """

    group: str
    name: str
    distribution: str
    reason: str


_FAILED: dict[tuple[str, str, str], FailedPlugin] = {}


def failed_plugins() -> Sequence[FailedPlugin]:
    """Entry points that were left out so far, over all groups."""
    return tuple(_FAILED.values())


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
        for each in _loaded(point, expected):
            if _owner(point) != OWN and not _passes(point, each, check):
                continue
            if key(each) in found:
                _leave_out(point, f"{key(each)!r} is registered already")
            else:
                found[key(each)] = each
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


def _passes(point: EntryPoint, plugin: _Plugin, check: Callable[[_Plugin], object]) -> bool:
    try:
        check(plugin)
    # The check reads objects of the plug-in, which may raise anything.
    except Exception as error:
        _leave_out(point, f"{type(error).__name__}: {error}")
        return False
    return True


def _leave_out(point: EntryPoint, reason: str) -> None:
    place = (point.group, point.name, _owner(point))
    if place not in _FAILED:
        _FAILED[place] = FailedPlugin(*place, reason)
        LOGGER.warning(
            "Plug-in %s of %s (%s) is left out: %s", point.name, _owner(point), point.group, reason
        )
