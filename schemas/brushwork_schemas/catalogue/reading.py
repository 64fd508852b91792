"""Reads the entries of a catalogue file, which is TOML."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from brushwork_schemas.catalogue.entries import AddOn, Model
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.validation import first_invalid

Entries = tuple[dict[str, Model], dict[str, AddOn]]


def read_entries(file: Path) -> Entries:
    """Return the models of a catalogue file, and its LoRA adapters and ControlNets, by name.

    Raises:
        InvalidRequest: The file cannot be read. The message names file, entry and field.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(file, str(error)) from error
    models, loras, controlnets = (content.pop(name, {}) for name in ("models", "loras", "controlnets"))
    if content or not all(isinstance(table, dict) for table in (models, loras, controlnets)):
        raise _unreadable(
            file, "it may only have tables [models.<name>], [loras.<name>] and [controlnets.<name>]"
        )
    add_ons = {name: _entry(file, AddOn, "loras", name, entry, type="lora") for name, entry in loras.items()}
    for name, entry in controlnets.items():
        add_ons[name] = _entry(file, AddOn, "controlnets", name, entry, type="controlnet")
    return {name: _entry(file, Model, "models", name, entry) for name, entry in models.items()}, add_ons


def _anchored(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Resolve a relative `source.folder` against the folder of the catalogue file."""
    source = entry.get("source")
    if not isinstance(source, dict) or not isinstance(source.get("folder"), str):
        return entry
    return {**entry, "source": {**source, "folder": folder / source["folder"]}}


def _entry(file: Path, made: Any, section: str, name: str, entry: Any, **known: str) -> Any:
    if isinstance(entry, dict) and "name" in entry:
        raise _unreadable(file, f"{section}.{name}: remove `name`; the name of the table is the name")
    try:
        table = {**known, "name": name, **_anchored(entry, file.parent)} if isinstance(entry, dict) else entry
        return made.model_validate(table)
    except ValidationError as error:
        wrong = first_invalid(error)
        field = ".".join(filter(None, (section, name, wrong.name)))
        raise _unreadable(file, f"{field}: {wrong.reason}") from error


def _unreadable(file: Path, reason: str) -> InvalidRequest:
    return InvalidRequest(
        said("Invalid catalogue {file}: {reason}.", file=file, reason=reason),
        field="catalogue",
        hint="See docs/models.md, or the built-in catalogue.toml, for examples of entries.",
    )
