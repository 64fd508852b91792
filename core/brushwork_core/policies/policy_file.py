"""Reads the file of policies, which is TOML: one table `[policies.NAME]` for each."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.wording.nearest_name import nearest_name
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.validation import first_invalid
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brushwork_core.policies import Policy, PolicyType
from brushwork_core.policies.decision import LONGEST_REASON
from brushwork_core.policies.registry import all_policy_types

LONGEST_NAME = 64
Tenant = Annotated[str, Field(max_length=64)]


class PolicyTable(BaseModel):
    """Fields that the tables of all types have."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    tenants: tuple[Tenant, ...] | None = Field(None, min_length=1, description="By default all tenants.")
    except_tenants: tuple[Tenant, ...] = ()
    kinds: tuple[str, ...] | None = Field(None, min_length=1, description="By default all kinds.")
    reason: str | None = Field(
        None, min_length=1, max_length=LONGEST_REASON, description="What callers read."
    )
    on_error: Literal["refuse", "allow"] = Field(
        "refuse", description="What happens to a request or result about which the policy cannot decide."
    )
    time_limit_s: float = Field(2.0, gt=0, le=60, description="A policy that takes longer has failed.")

    def applies_to(self, kind: str, tenant: str) -> bool:
        """Return whether the policy is asked about jobs of a kind and tenant."""
        is_of_tenant = self.tenants is None or tenant in self.tenants
        is_of_kind = self.kinds is None or kind in self.kinds
        return is_of_tenant and is_of_kind and tenant not in self.except_tenants


@dataclass(frozen=True)
class ConfiguredPolicy:
    """A policy of the file.

    Args:
        name: Name of its table.
        table: Fields that all types have.
        type: Its type.
        policy: The policy.
        models: Labels that it reads, by the name of the image classifier.
    """

    name: str
    table: PolicyTable
    type: PolicyType
    policy: Policy
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_policies(file: Path) -> list[ConfiguredPolicy]:
    """Return the policies of a file, in its order.

    Raises:
        InvalidRequest: The file cannot be read. The message names file, table and field.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _invalid(file, str(error)) from error
    tables = content.pop("policies", {})
    if content or not isinstance(tables, dict):
        wrong = next(iter(content), "policies")
        raise _invalid(file, said("{field}: it may only have tables [policies.<name>]", field=wrong))
    return [_configured(file, name, table) for name, table in tables.items()]


def _configured(file: Path, name: str, table: Any) -> ConfiguredPolicy:
    place = f"policies.{name}"
    if not isinstance(table, dict):
        raise _invalid(file, said("{field}: it is not a table", field=place))
    if len(name) > LONGEST_NAME:
        raise _invalid(file, said("{field}: its name has more than {most} characters", field=place, most=64))
    common = _validated(file, place, PolicyTable, table)
    found = _type(file, place, common.type)
    own = {key: value for key, value in table.items() if key not in PolicyTable.model_fields}
    if isinstance(own.get("words_file"), str):
        own["words_file"] = file.parent / own["words_file"]
    settings = _validated(file, place, found.settings, own)
    _check_kinds(file, place, common.kinds)
    try:
        policy = found.build(settings)
        models = {name: tuple(labels) for name, labels in found.models(settings).items()}
        if not isinstance(policy, Policy):
            raise TypeError(f"{found.name} built a {type(policy).__name__}, not a Policy")
    # A plug-in may raise anything.
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise _invalid(
            file, said("{field}: it cannot be built: {reason}", field=place, reason=reason)
        ) from error
    return ConfiguredPolicy(name, common, found, policy, models)


def _validated(file: Path, place: str, model: type[BaseModel], table: Mapping[str, Any]) -> Any:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        wrong = first_invalid(error)
        field = f"{place}.{wrong.name}" if wrong.name else place
        raise _invalid(file, said("{field}: {reason}", field=field, reason=wrong.reason)) from error


def _type(file: Path, place: str, name: str) -> PolicyType:
    known = all_policy_types()
    if name not in known:
        close = nearest_name(name, list(known))
        reason = said("{field}: there is no type {name!r}", field=f"{place}.type", name=name)
        hint = (
            said("Did you mean {name!r}?", name=close) if close else said("Types: {names}.", names=[*known])
        )
        raise _invalid(file, reason, hint)
    return known[name]


def _check_kinds(file: Path, place: str, kinds: tuple[str, ...] | None) -> None:
    for kind in kinds or ():
        if kind not in all_kinds():
            reason = said("{field}: there is no kind {name!r}", field=f"{place}.kinds", name=kind)
            raise _invalid(file, reason, said("Kinds: {names}.", names=[*all_kinds()]))


def _invalid(file: Path, reason: str, hint: str | None = None) -> InvalidRequest:
    return InvalidRequest(
        said("Invalid policies {file}: {reason}.", file=file, reason=reason),
        field="policies",
        hint=hint or said("See docs/policies.md for examples, or unset BRUSHWORK_POLICIES."),
    )
