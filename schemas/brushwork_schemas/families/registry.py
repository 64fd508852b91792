"""All families of models: the built-in families and those of installed plug-ins."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from brushwork_schemas.families.family import Family
from brushwork_schemas.plugins import FAMILIES, registered


@cache
def all_families() -> Mapping[str, Family]:
    """Return all families by name, the built-in ones first."""
    return MappingProxyType(registered(FAMILIES, Family, lambda family: family.name))


def family_of(class_name: str) -> Family | None:
    """Return the family whose checkpoints name this class, or None.

    Args:
        class_name: Class name in `model_index.json` or `config.json`, such as `FluxPipeline`.
    """
    for family in all_families().values():
        for known in family.classes:
            if class_name == known or (known[0] == "*" and class_name.endswith(known[1:])):
                return family
    return None
