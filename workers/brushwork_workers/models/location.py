"""From a catalogue entry to a folder that may be loaded: all there, nothing pickled, of the pinned hashes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from brushwork_core.files.model_folders import (
    Entry,
    hub_cache_place,
    is_here,
    place_of,
    pulled_place,
    read_lock,
)
from brushwork_core.settings.environment import models_dir
from brushwork_schemas.errors import HashMismatch, ModelFileMissing, ModelNotHere, ModelUnavailable

from brushwork_workers.models.fingerprint import Fingerprints
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.listing import FolderListing
from brushwork_workers.models.safetensors_head import check_complete
from brushwork_workers.models.weights import SAFETENSORS


def locate(entry: Entry) -> Path:
    """The folder of the entry's files, which are checked; nothing is loaded, nothing downloaded.

    What is built here, of no file, has none: then the path is that of a folder that is not there.

    Raises:
        ModelNotHere: None of them is here; the hint says how to get them.
        ModelFileMissing: One is not there.
        HashMismatch: One is not what was pinned or pulled.
        PickledWeights: The weights are a pickle.
        RemoteCode: A configuration asks for code of the model's own.
        UnknownModelClass: A configuration names a class that is not known.
        ModelUnavailable: A file is damaged.
    """
    folder, names = _find(entry)
    with _named_errors(entry, folder):
        # Of a file that was changed, what it was to be says more than what it is.
        _check_pinned(entry, folder, names)
        _check_complete(folder, names)
    return folder


def listed(entry: Entry) -> tuple[Path, tuple[str, ...]]:
    """The folder, and the names in it of all that loading reads; as `locate`, but no file is read as a whole.

    Raises:
        ModelUnavailable: As `locate`, all but `HashMismatch`.
    """
    folder, names = _find(entry)
    with _named_errors(entry, folder):
        _check_complete(folder, names)
    return folder, names


def _find(entry: Entry) -> tuple[Path, tuple[str, ...]]:
    source = entry.source
    folder = place_of(source)
    if folder is None and source.architecture is not None:
        return models_dir() / "architectures" / source.architecture, ()
    if folder is None or not is_here(source):
        raise _model_not_here(entry, folder)
    with _named_errors(entry, folder):
        return folder, files_to_load(entry, FolderListing(folder))


def _check_complete(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if name.endswith(SAFETENSORS):
            check_complete(folder / name, name)


@contextmanager
def _named_errors(entry: Entry, folder: Path) -> Iterator[None]:
    """What is wrong with a file, with the model's name and what to do with its sort of source."""
    try:
        yield
    except ModelFileMissing as error:
        # Other tools fetch what they need, which may be less: that is no damage.
        if entry.source.repository is not None and folder == hub_cache_place(entry.source):
            raise _model_not_here(entry, pulled_place(entry.source)) from error
        raise _with_model_name(entry, folder, error) from error
    except ModelUnavailable as error:
        raise _with_model_name(entry, folder, error) from error
    except OSError as error:
        raise ModelUnavailable(
            f"Model {entry.name}: its files can't be read: {error}.", field="source"
        ) from error


def _check_pinned(entry: Entry, folder: Path, names: tuple[str, ...]) -> None:
    expected = _pinned_hashes(entry, folder, names)
    found = Fingerprints(folder).of(expected)
    for name, sha256 in expected.items():
        if found[name] != sha256:
            raise HashMismatch(
                f"{name} is not the file that was pinned: its SHA-256 is {found[name]}, not {sha256}.",
                field="source.files" if name in entry.source.files else "source",
                hint=_pull_hint(entry) or "Fetch the file again, or correct the hash in the catalogue.",
            )


def _pinned_hashes(entry: Entry, folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 that files must have, by name: of the catalogue, and of the lock for what will be read."""
    for name in entry.source.files:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not (folder / inside).is_file():
            raise ModelFileMissing(
                f"{name} is not there, and the catalogue pins it.",
                field="source.files",
                hint=_pull_hint(entry),
            )
    lock = read_lock(folder) if folder == pulled_place(entry.source) else None
    if lock is None:
        return dict(entry.source.files)
    for name in names:
        if name not in lock.files:
            raise HashMismatch(
                f"{name} is none of the files that were pulled.",
                field="source",
                hint=f"Run: brushwork models pull {entry.name}. If it stays, delete the file.",
            )
    return {name: lock.files[name].sha256 for name in names} | entry.source.files


def _pull_hint(entry: Entry) -> str | None:
    return f"Run: brushwork models pull {entry.name}" if pulled_place(entry.source) is not None else None


def _with_model_name(entry: Entry, folder: Path, error: ModelUnavailable) -> ModelUnavailable:
    """The same error, with the model's name and what to do with its own sort of source."""
    missing = isinstance(error, ModelFileMissing) and _pull_hint(entry)
    hint = missing or error.hint
    return type(error)(
        f"Model {entry.name}: {error.message} Its folder is {folder}.", field=error.field, hint=hint
    )


def _model_not_here(entry: Entry, folder: Path | None) -> ModelNotHere:
    source = entry.source
    origin = source.repository or source.weights or source.job or source.packaged
    return ModelNotHere(
        f"Model {entry.name}: {origin} is not on this machine."
        if source.folder is None
        else f"Model {entry.name}: there is no folder {folder}.",
        field="source",
        hint=_pull_hint(entry) or "Correct the catalogue entry, or put the model's files there.",
    )
