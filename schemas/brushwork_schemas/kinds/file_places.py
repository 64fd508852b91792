"""Where the files of a request are: in fields, in lists, and in the items of lists.

A *place* is the path of a value in a request, such as `image`, `images.0` or `ip_adapters.0.images.1`. A
*pattern* stands for all places of one sort, with `*` for each number: `ip_adapters.*.images.*`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

ANY_INDEX = "*"
# Stands at the place of a file that comes later, such as a file of a form beside its request.
NO_FILE_YET = "0" * 64
# A longer list is left as it is: requests have shorter ones, so it is refused without a look at each file.
MOST_ITEMS = 32


def patterns_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the patterns of the files in a JSON Schema, and the media type of each.

    Args:
        schema: The schema of a request type.
    """
    return dict(_patterns(schema, schema, ()))


def pattern_of(place: str) -> str:
    """Return the pattern of a place."""
    return ".".join(ANY_INDEX if part.isdecimal() else part for part in place.split("."))


def field_of(place: str) -> str:
    """Return the field of the request that a place is in."""
    return place.partition(".")[0]


def values_at(whole: Any, patterns: Iterable[str]) -> dict[str, Any]:
    """Return the values at the places of patterns, by place. Places with null are left out.

    A single value in place of a list counts as a list of one.

    Args:
        whole: A request, or its parameters. They need not be valid.
        patterns: The patterns.
    """
    return {place: value for pattern in patterns for place, value in _values(whole, pattern.split("."), ())}


def with_values(whole: Any, values: Mapping[str, Any]) -> Any:
    """Return a copy of a request, or of its parameters, with values at places.

    A list becomes longer if a place is just behind its end, and a list or a field that is missing is made. A
    place that does not fit what is there is left out.

    Args:
        whole: A request, or its parameters.
        values: The values by place.
    """
    for place, value in values.items():
        whole = _with(whole, place.split("."), value)
    return whole


def _patterns(
    schema: Mapping[str, Any], whole: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "contentMediaType" in schema:
        yield ".".join(path), schema["contentMediaType"]
    for part in schema.get("anyOf", ()):
        yield from _patterns(part, whole, path)
    if "items" in schema:
        yield from _patterns(schema["items"], whole, (*path, ANY_INDEX))
    for name, part in schema.get("properties", {}).items():
        yield from _patterns(part, whole, (*path, name))


def _values(whole: Any, parts: list[str], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not parts:
        if whole is not None:
            yield ".".join(path), whole
        return
    first, *rest = parts
    if first == ANY_INDEX:
        items = _items(whole)
        for index, item in enumerate(items if len(items) <= MOST_ITEMS else ()):
            yield from _values(item, rest, (*path, str(index)))
    elif isinstance(whole, BaseModel):
        yield from _values(getattr(whole, first, None), rest, (*path, first))
    elif isinstance(whole, Mapping):
        yield from _values(whole.get(first), rest, (*path, first))


def _items(whole: Any) -> Sequence[Any]:
    if isinstance(whole, list | tuple):
        return whole
    return () if whole is None else (whole,)


def _with(whole: Any, parts: list[str], value: Any) -> Any:
    if not parts:
        return value
    first, *rest = parts
    if first.isdecimal():
        items, index = list(_items(whole)), int(first)
        if index > len(items):
            return items if whole is None else whole
        before = items[index] if index < len(items) else None
        items[index : index + 1] = [_with(before, rest, value)]
        return tuple(items) if isinstance(whole, tuple) else items
    if isinstance(whole, BaseModel):
        return whole.model_copy(update={first: _with(getattr(whole, first, None), rest, value)})
    if whole is None or isinstance(whole, Mapping):
        given = dict(whole or {})
        return {**given, first: _with(given.get(first), rest, value)}
    return whole
