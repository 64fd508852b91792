"""Reads the entries of a catalogue file, which is TOML."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from brushwork_schemas.catalogue.entries import AddOn, Model
from brushwork_schemas.catalogue.named_parts import is_path
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.validation import first_invalid

Entries = tuple[dict[str, Model], dict[str, AddOn]]
# Gets the name of an entry that cannot be used, such as `models.x`, and the reason.
LeaveOut = Callable[[str, InvalidRequest], None]
SECTIONS: Mapping[str, tuple[type[Model | AddOn], Mapping[str, str]]] = {
    "models": (Model, {}),
    "loras": (AddOn, {"type": "lora"}),
    "controlnets": (AddOn, {"type": "controlnet"}),
    "ip_adapters": (AddOn, {"type": "ip-adapter"}),
    "textual_inversions": (AddOn, {"type": "textual-inversion"}),
}


def read_entries(file: Path, leave_out: LeaveOut | None = None) -> Entries:
    """Return the models of a catalogue file, and its add-ons, by name.

    Args:
        file: The file, in TOML.
        leave_out: Called for each wrong entry, which is then left out. By default a wrong entry is an error.

    Raises:
        InvalidRequest: The file cannot be read. The message names file, entry and field.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(file, str(error)) from error
    models: dict[str, Model] = {}
    add_ons: dict[str, AddOn] = {}
    for section, name, entry in _listed(content):
        try:
            made = _entry(file, section, name, entry)
        except InvalidRequest as error:
            if leave_out is None:
                raise
            leave_out(f"{section}.{name}" if name else section, error)
            continue
        if isinstance(made, Model):
            models[name] = made
        else:
            add_ons[name] = made
    return models, add_ons


def _listed(content: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield section, name and table of each entry; a section that is not a table has no name."""
    for section, table in content.items():
        if section not in SECTIONS or not isinstance(table, dict):
            yield section, "", table
            continue
        for name, entry in table.items():
            yield section, name, entry


def _anchored(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Resolve relative paths of an entry against the folder of the catalogue file."""
    source, vae = entry.get("source"), entry.get("vae")
    if isinstance(source, dict):
        paths = {
            name: folder / source[name] for name in ("folder", "file") if isinstance(source.get(name), str)
        }
        entry = {**entry, "source": {**source, **paths}}
    return {**entry, "vae": str(folder / vae)} if isinstance(vae, str) and is_path(vae) else entry


def _entry(file: Path, section: str, name: str, entry: Any) -> Model | AddOn:
    if not name:
        raise _unreadable(
            file,
            said(
                "{section}: it may only have tables such as [models.<name>]; sections are {sections}",
                section=section,
                sections=list(SECTIONS),
            ),
        )
    made, known = SECTIONS[section]
    if isinstance(entry, dict) and "name" in entry:
        raise _unreadable(
            file,
            said(
                "{section}.{name}: remove `name`; the name of the table is the name",
                section=section,
                name=name,
            ),
        )
    try:
        table = {**known, "name": name, **_anchored(entry, file.parent)} if isinstance(entry, dict) else entry
        return made.model_validate(table)
    except ValidationError as error:
        wrong = first_invalid(error)
        field = ".".join(filter(None, (section, name, wrong.name)))
        raise _unreadable(file, said("{field}: {reason}", field=field, reason=wrong.reason)) from error


def _unreadable(file: Path, reason: str) -> InvalidRequest:
    return InvalidRequest(
        said("Invalid catalogue {file}: {reason}.", file=file, reason=reason),
        field="catalogue",
        hint="See docs/models.md, or the built-in catalogue.toml, for examples of entries.",
    )
