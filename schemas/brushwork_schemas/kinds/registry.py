"""All kinds of jobs: the built-in kinds and those of installed plug-ins."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from brushwork_schemas.errors import UnknownKind
from brushwork_schemas.kinds.file_places import pattern_of
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.plugin_checks.kind_check import check_kind
from brushwork_schemas.plugins import KINDS, registered
from brushwork_schemas.wording.nearest_name import nearest_name
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.translation import add_translations


@cache
def all_kinds() -> Mapping[str, Kind]:
    """Return all kinds by name, the built-in ones first, in the order in which they are shown."""
    kinds = registered(KINDS, Kind, lambda kind: kind.name, check_kind).values()
    in_order = sorted(kinds, key=lambda kind: (kind.order, kind.name))
    for kind in in_order:
        for language in kind.words:
            add_translations(language, kind.field_words.texts(language))
    return MappingProxyType({kind.name: kind for kind in in_order})


@cache
def file_fields() -> Mapping[str, str]:
    """Return the fields of all requests that name files, and the media type of each.

    A field of one name has one media type in all kinds.
    """
    found: dict[str, str] = {}
    for kind in all_kinds().values():
        found = {**found, **kind.files}
    return MappingProxyType(found)


@cache
def file_patterns() -> Mapping[str, str]:
    """Return the places of the files of all requests as patterns, and the media type of each.

    Besides `file_fields` these are files in lists; see `file_places`.
    """
    found: dict[str, str] = {}
    for kind in all_kinds().values():
        found = {**found, **kind.file_patterns}
    return MappingProxyType(found)


def media_type_at(place: str) -> str:
    """Return the media type of the files at a place of a request, such as `image` or `images.0`.

    Raises:
        KeyError: No request has a file there.
    """
    return file_patterns()[pattern_of(place)]


@cache
def mask_fields() -> frozenset[str]:
    """Return the fields of all requests that name masks, whose transparent parts count as black."""
    return frozenset(name for kind in all_kinds().values() for name in kind.masks)


def kind_named(name: str) -> Kind:
    """Return the kind with this name.

    Raises:
        UnknownKind: No kind has this name.
    """
    try:
        return all_kinds()[name]
    except (KeyError, TypeError):
        raise _unknown(name) from None


def _unknown(name: object) -> UnknownKind:
    titles = {title: kind.name for kind in all_kinds().values() for title in kind.title.values()}
    close = nearest_name(name, all_kinds(), titles) if isinstance(name, str) else None
    hint = said("Kinds are {kinds}.", kinds=list(all_kinds()))
    if close:
        hint = said("Did you mean {name!r}? Kinds are {kinds}.", name=close, kinds=list(all_kinds()))
    return UnknownKind(said("There is no kind {name}.", name=repr(name)[:100]), field="kind", hint=hint)


def typed_request(kind_name: str, stored: Any) -> Any:
    """Return a stored request as the request type of its kind.

    A request of an unknown kind, and a request that was refused, is returned as it was stored.
    """
    kind = all_kinds().get(kind_name)
    try:
        return kind.request_type.model_validate(stored) if kind else stored
    except ValidationError:
        # A refused job keeps the request as its sender wrote it.
        return stored


def typed_result(kind_name: str, stored: Any) -> Any:
    """Return a stored result as the result type of its kind, or as it was stored if that fails."""
    kind = all_kinds().get(kind_name)
    try:
        return kind.result_type.model_validate(stored) if kind and stored is not None else stored
    except ValidationError:
        # A newer version wrote it. One such job must not break the lists it is part of.
        return stored
