"""Adds entries to the user's own catalogue file, and keeps everything else in it, including comments."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from brushwork_core.settings.environment import data_dir
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from tomlkit.exceptions import TOMLKitError

NAME = "catalogue.toml"


def own_file(settings: Settings) -> Path:
    """Return the path in `BRUSHWORK_CATALOGUE`, else `catalogue.toml` in the data folder."""
    return settings.catalogue or data_dir() / NAME


def add_entry(file: Path, table: str, name: str, entry: Mapping[str, Any]) -> None:
    """Append `[table.name]` to the file.

    Args:
        file: Path of the catalogue; created if it does not exist.
        table: A section of the file, such as `models` or `loras`.
        name: Name of the entry.
        entry: Fields of the entry.

    Raises:
        InvalidRequest: The file cannot be read or written, or has an entry with this name.
    """
    before, known = _read(file)
    if name in known.get(table, {}):
        raise InvalidRequest(
            said("name: {file} already has an entry {table}.{name}.", file=file, table=table, name=name),
            field="name",
            hint="Remove that entry, or choose another name.",
        )
    _write(file, f"{before.rstrip()}\n\n{_written(table, name, entry)}".lstrip())


def add_description(file: Path, name: str, entry: Mapping[str, Any]) -> None:
    """Write the description of its pipeline into the entry of a model.

    Args:
        file: Path of the catalogue.
        name: Name of the model.
        entry: Fields of the entry, of which `pipeline` is the description. If the file does not have the
            entry, it gets all of them.

    Raises:
        InvalidRequest: The file cannot be read or written.
    """
    _, known = _read(file)
    if name not in known.get("models", {}):
        add_entry(file, "models", name, entry)
        return
    inner = tomlkit.table()
    inner.update(entry["pipeline"])
    models: Any = known["models"]
    models[name]["pipeline"] = inner
    _write(file, tomlkit.dumps(known))


def _read(file: Path) -> tuple[str, tomlkit.TOMLDocument]:
    try:
        text = file.read_text("utf-8") if file.exists() else ""
        return text, tomlkit.parse(text)
    except (OSError, ValueError, TOMLKitError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> InvalidRequest:
    return InvalidRequest(
        said("catalogue: cannot read {file}: {error}.", file=file, error=error), field="catalogue"
    )


def _write(file: Path, text: str) -> None:
    try:
        # A section that was written in one line takes no further entries.
        tomlkit.parse(text)
    except (ValueError, TOMLKitError) as error:
        raise _unreadable(file, error) from error
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.{os.getpid()}")
        new.write_text(text, "utf-8")
        new.replace(file)
    except OSError as error:
        raise InvalidRequest(
            said("catalogue: cannot write {file}: {error}.", file=file, error=error), field="catalogue"
        ) from error


def _has_heading(value: Any) -> bool:
    """Return whether a value is a table of tables, which is too long for one line."""
    return isinstance(value, Mapping) and any(isinstance(inner, Mapping) for inner in value.values())


def _written(table: str, name: str, entry: Mapping[str, Any]) -> str:
    written = tomlkit.table()
    # Tables with a heading of their own come last: what follows a heading belongs to it.
    in_order = sorted(entry.items(), key=lambda item: _has_heading(item[1]))
    for field, value in in_order:
        if isinstance(value, Mapping):
            inner = tomlkit.table() if _has_heading(value) else tomlkit.inline_table()
            inner.update(value)
            value = inner
        written.append(field, value)
    above = tomlkit.table(is_super_table=True)
    above.append(name, written)
    document = tomlkit.document()
    document.append(table, above)
    return tomlkit.dumps(document).strip() + "\n"
