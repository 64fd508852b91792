"""Folders of model files on this machine, and the lock files that list what was pulled."""

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
    """Size and name of a pulled file."""

    model_config = ConfigDict(frozen=True)

    size_bytes: int
    sha256: Sha256


class Lock(BaseModel):
    """The lock file of a pulled folder. It is written beside the folder, after all files are complete."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    origin: str
    revision: str | None = None
    pulled_at: datetime
    files: dict[str, LockedFile]


def pulled_place(source: Source) -> Path | None:
    """Return the folder into which a source is pulled; None if there is nothing to pull."""
    if source.repository is not None:
        return models_dir() / source.repository.replace("/", "--") / str(source.revision)
    if source.modelscope is not None:
        return models_dir() / "modelscope" / source.modelscope.replace("/", "--") / str(source.revision)
    if source.weights is not None:
        return models_dir() / "torchvision" / source.weights
    return None


def place_of(source: Source) -> Path | None:
    """Return the folder with the files of a source, whether it exists or not.

    A model that is built from an architecture or trained by a job has no folder: None. A repository that was
    not pulled may be in the cache of Hugging Face's tools. Of a single file with a base, it is the folder of
    the base; of any other file, the folder that it is in.
    """
    if source.file is not None:
        base = source.base_source
        return place_of(base) if base is not None else source.file.parent
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
    """Return the folder of a repository in the cache of Hugging Face's tools, whether it exists or not."""
    name = str(source.repository).replace("/", "--")
    return hub_cache_dir() / f"models--{name}" / "snapshots" / str(source.revision)


def is_here(source: Source) -> bool:
    """Return whether this machine has files of a source. They may be incomplete."""
    if source.file is not None:
        base = source.base_source
        return source.file.is_file() and (base is None or is_here(base))
    folder = place_of(source)
    if folder is None:
        return source.architecture is not None
    was_begun = folder == pulled_place(source) and read_lock(folder) is None
    return folder.is_dir() and not was_begun


def lock_file(folder: Path) -> Path:
    """Return the path of the lock file of a folder."""
    return folder.with_name(f"{folder.name}.lock.json")


def read_lock(folder: Path) -> Lock | None:
    """Return the lock of a folder; None if nothing was pulled into it, or only a part."""
    try:
        return Lock.model_validate_json(lock_file(folder).read_text("utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def write_lock(folder: Path, lock: Lock) -> None:
    """Write the lock file of a folder whose files are complete."""
    target = lock_file(folder)
    written = target.with_name(f".{target.name}.{os.getpid()}")
    written.write_text(json.dumps(lock.model_dump(mode="json"), indent=2) + "\n", "utf-8")
    written.replace(target)
