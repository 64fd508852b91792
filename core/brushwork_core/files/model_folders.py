"""Where a catalogue entry's files lie on this machine, and the lock that says what was pulled."""

import importlib.util
import json
import os
from datetime import datetime
from pathlib import Path

from brushwork_schemas.artifact import Sha256
from brushwork_schemas.catalogue import AddOn, Model, Source
from pydantic import BaseModel, ConfigDict, ValidationError

from brushwork_core.settings.environment import hub_cache_dir, models_dir

Entry = Model | AddOn


class LockedFile(BaseModel):
    """A file as it was pulled."""

    model_config = ConfigDict(frozen=True)

    size_bytes: int
    sha256: Sha256


class Lock(BaseModel):
    """What `brushwork models pull` has put into a folder; it is written beside that, last of all."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    origin: str
    revision: str | None = None
    pulled_at: datetime
    files: dict[str, LockedFile]


def pulled_place(source: Source) -> Path | None:
    """Where `pull` puts the files of this source; None where there is nothing to pull."""
    if source.repository is not None:
        return models_dir() / source.repository.replace("/", "--") / str(source.revision)
    if source.weights is not None:
        return models_dir() / "torchvision" / source.weights
    return None


def place_of(source: Source) -> Path | None:
    """The folder with the files of this source, there or not.

    None where there is none: what is built here, and what a job has trained. A repository that was not pulled
    is looked for where Hugging Face's own tools put it.
    """
    if source.folder is not None:
        return source.folder
    if source.packaged is not None:
        workers = importlib.util.find_spec("brushwork_workers")
        places = workers.submodule_search_locations if workers else None
        return Path(places[0], "pocket", "weights", source.packaged) if places else None
    pulled = pulled_place(source)
    if pulled is not None and source.repository is not None and read_lock(pulled) is None:
        cached = hub_cache_place(source)
        return cached if cached.is_dir() else pulled
    return pulled


def hub_cache_place(source: Source) -> Path:
    """The folder in the cache of Hugging Face's own tools, there or not."""
    name = str(source.repository).replace("/", "--")
    return hub_cache_dir() / f"models--{name}" / "snapshots" / str(source.revision)


def is_here(source: Source) -> bool:
    """Whether there are files of this source on this machine; whether they are whole is another question."""
    folder = place_of(source)
    if folder is None:
        return source.architecture is not None
    was_begun = folder == pulled_place(source) and read_lock(folder) is None
    return folder.is_dir() and not was_begun


def lock_file(folder: Path) -> Path:
    """Where the lock of a folder lies."""
    return folder.with_name(f"{folder.name}.lock.json")


def read_lock(folder: Path) -> Lock | None:
    """The lock of a folder; None where nothing was pulled into it, or not to the end."""
    try:
        return Lock.model_validate_json(lock_file(folder).read_text("utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def write_lock(folder: Path, lock: Lock) -> None:
    """Say that what `lock` lists is whole."""
    target = lock_file(folder)
    written = target.with_name(f".{target.name}.{os.getpid()}")
    written.write_text(json.dumps(lock.model_dump(mode="json"), indent=2) + "\n", "utf-8")
    written.replace(target)
