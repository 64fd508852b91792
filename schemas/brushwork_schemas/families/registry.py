"""All families of models: the built-in families and those of installed plug-ins."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from brushwork_schemas.families.family import Family
from brushwork_schemas.plugins import FAMILIES, registered
from brushwork_schemas.wording.phrase import said


@cache
def all_families() -> Mapping[str, Family]:
    """Return all families by name, the built-in ones first."""
    return MappingProxyType(registered(FAMILIES, Family, lambda family: family.name, _check))


def _check(family: Family) -> None:
    """Raise ValueError if a family of a plug-in cannot be used."""
    for field in ("name", "library", "loader"):
        if not isinstance(getattr(family, field), str):
            raise ValueError(said("{field} is not a text", field=field))
    if not re.fullmatch(r"[\w.]+:[\w.]+", family.loader):
        raise ValueError(
            said("loader {loader!r} is not of the form package.module:function", loader=family.loader)
        )
    for field in ("kinds", "classes", "accepts", "schedulers"):
        names = getattr(family, field)
        if not isinstance(names, tuple) or not all(isinstance(name, str) and name for name in names):
            raise ValueError(said("{field} is not a tuple of texts", field=field))


def family_of(class_name: str) -> Family | None:
    """Return the family whose checkpoints name this class, or None.

    A family that names the class itself comes before those that name its last letters; of these, the one that
    names more of them comes first.

    Args:
        class_name: Class name in `model_index.json` or `config.json`, such as `FluxPipeline`.
    """
    fitting = [
        (known[0] != "*", len(known), family)
        for family in all_families().values()
        for known in family.classes
        if class_name == known or (known[0] == "*" and class_name.endswith(known[1:]))
    ]
    return max(fitting, key=lambda each: each[:2])[2] if fitting else None
