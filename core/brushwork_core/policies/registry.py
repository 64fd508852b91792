"""All types of policies: the built-in ones and those of installed plug-ins."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from brushwork_schemas.plugins import POLICIES, registered
from brushwork_schemas.wording.phrase import said
from pydantic import BaseModel

from brushwork_core.policies.policy import PolicyType


@cache
def all_policy_types() -> Mapping[str, PolicyType]:
    """Return all types by name, the built-in ones first."""
    return MappingProxyType(registered(POLICIES, PolicyType, lambda found: found.name, _check))


def _check(found: PolicyType) -> None:
    """Raise an exception if a type of a plug-in cannot be used."""
    if not isinstance(found.name, str) or not found.name:
        raise ValueError(said("{field} is not a text", field="name"))
    if not isinstance(found.settings, type) or not issubclass(found.settings, BaseModel):
        raise TypeError("settings is no pydantic model")
    for field in ("build", "models"):
        if not callable(getattr(found, field)):
            raise TypeError(f"{field} is no function")
