"""The field `explain` as people write it: `explain=occlusion`, `explain.patch_size=16`, or JSON."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.wording.phrase import said
from pydantic import TypeAdapter, ValidationError

from brushwork.inputs.strict_json import parsed_json

EXPLAIN = "explain"
PREFIX = f"{EXPLAIN}."
_SWITCHES = {"": False, "true": True, "false": False}


def settings() -> list[str]:
    """Return the names of the settings, such as `explain.patch_size`, without the method."""
    return [f"{PREFIX}{name}" for name in Explain.model_fields if name != "method"]


def read(text: str) -> Any:
    """Return the value of `explain`, written as `true`, `false`, the name of a method, or JSON.

    Raises:
        InvalidRequest: It is JSON that cannot be read.
    """
    plain = text.strip()
    if plain.startswith("{"):
        try:
            return parsed_json(plain.encode("utf-8", "surrogatepass"))
        except ValueError as error:
            message = said("{field}: invalid JSON: {reason}.", field=EXPLAIN, reason=error.args[0])
            raise InvalidRequest(message, field=EXPLAIN) from None
    return _SWITCHES.get(plain.lower(), plain)


def read_setting(name: str, text: str) -> Any:
    """Return the value of a setting, such as `explain.patch_size`.

    Args:
        name: Its name with the prefix.
        text: What was written. A value that does not fit is returned as it is, and the request is refused.
    """
    own = name.removeprefix(PREFIX)
    if own == "words":
        return _words(text)
    if own not in Explain.model_fields:
        return text
    try:
        return _type_of(own).validate_strings(text.strip())
    except ValidationError:
        return text


def gathered(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with `explain.patch_size` and other settings inside of `explain`.

    Args:
        parameters: Parameters of a request by name.

    Raises:
        InvalidRequest: A setting is given twice, or the explanation is switched off.
    """
    named = {name: value for name, value in parameters.items() if name.startswith(PREFIX)}
    if not named:
        return dict(parameters)
    others = {name: value for name, value in parameters.items() if name not in named}
    choice = _as_mapping(others.get(EXPLAIN, True), next(iter(named)))
    for name, value in named.items():
        own = name.removeprefix(PREFIX)
        if own in choice:
            raise InvalidRequest(
                said(
                    "{field}: is given twice, in {first} and as {second}.",
                    field=name,
                    first=EXPLAIN,
                    second=name,
                ),
                field=name,
            )
        choice[own] = value
    return {**others, EXPLAIN: choice}


def spread(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with each setting of `explain` by itself: what `gathered` undoes.

    Args:
        parameters: Parameters of a request, which may come from a file.
    """
    choice = parameters.get(EXPLAIN)
    if not isinstance(choice, Mapping):
        return dict(parameters)
    named = {f"{PREFIX}{name}": value for name, value in choice.items() if name != "method"}
    words = named.get(f"{PREFIX}words")
    if isinstance(words, list | tuple):
        named[f"{PREFIX}words"] = ", ".join(map(str, words))
    return {**parameters, EXPLAIN: choice.get("method"), **named}


def written(explain: Any) -> str:
    """Return a choice in one line, such as `occlusion, patch_size 16`.

    Args:
        explain: The choice of a complete request: `Explain`, or its fields.
    """
    fields = explain.model_dump() if isinstance(explain, Explain) else explain
    if not isinstance(fields, Mapping):
        return "" if fields in (None, False) else str(fields)
    parts = [str(fields.get("method") or "")]
    for name, value in fields.items():
        if name == "method" or value in (None, False, (), []):
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        parts.append(name if value is True else f"{name} {shown}")
    return ", ".join(part for part in parts if part)


def _as_mapping(choice: Any, setting: str) -> dict[str, Any]:
    if choice is True:
        return {}
    if isinstance(choice, str):
        return {"method": choice}
    if isinstance(choice, Explain):
        return choice.model_dump(exclude_unset=True)
    if isinstance(choice, Mapping):
        return dict(choice)
    raise InvalidRequest(
        said(
            "{field}: the explanation is switched off by explain=false, so it has no settings.", field=setting
        ),
        field=setting,
    )


def _words(text: str) -> Any:
    plain = text.strip()
    if plain.startswith("["):
        try:
            return parsed_json(plain.encode("utf-8", "surrogatepass"))
        except ValueError:
            return text
    return [word.strip() for word in plain.replace("，", ",").replace("、", ",").split(",") if word.strip()]


@cache
def _type_of(name: str) -> TypeAdapter[Any]:
    known: Any = Explain.model_fields[name].annotation
    return TypeAdapter(known)
