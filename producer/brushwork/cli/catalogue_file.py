"""The user's own catalogue file: an entry is added, and everything else, comments too, stays as it is."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.settings import Settings, data_dir
from tomlkit.exceptions import TOMLKitError

NAME = "catalogue.toml"


def own_file(settings: Settings) -> Path:
    """`BRUSHWORK_CATALOGUE`, else `catalogue.toml` in the data folder, there or not."""
    return settings.catalogue or data_dir() / NAME


def add_entry(file: Path, table: str, name: str, entry: Mapping[str, Any]) -> None:
    """Write `[table.name]` at the end of its kind.

    Raises:
        InvalidRequest: The file can't be read or written, or has an entry of that name.
    """
    try:
        document = tomlkit.parse(file.read_text("utf-8") if file.exists() else "")
    except (OSError, ValueError, TOMLKitError) as error:
        raise InvalidRequest(f"The catalogue {file} can't be read: {error}.", field="catalogue") from error
    entries = document.setdefault(table, tomlkit.table(is_super_table=True))
    if name in entries:
        raise InvalidRequest(
            f"{file} has {table}.{name} already.", field="name", hint="Take it out there, or choose another."
        )
    entries.append(name, _written(entry))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.{os.getpid()}")
        new.write_text(tomlkit.dumps(document).rstrip("\n") + "\n", "utf-8")
        new.replace(file)
    except OSError as error:
        raise InvalidRequest(f"The catalogue {file} can't be written: {error}.", field="catalogue") from error


def _written(entry: Mapping[str, Any]) -> Any:
    written = tomlkit.table()
    for field, value in entry.items():
        if isinstance(value, Mapping):
            inline = tomlkit.inline_table()
            inline.update(value)
            value = inline
        written.append(field, value)
    return written
