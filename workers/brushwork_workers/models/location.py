"""Find and verify the folder of a catalogue entry: complete, without pickles, and with the pinned hashes."""

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
from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import HashMismatch, ModelFileMissing, ModelNotHere, ModelUnavailable
from brushwork_schemas.wording.phrase import private, said

from brushwork_workers.models.checkpoints.own_parts import check_own_parts
from brushwork_workers.models.checkpoints.refusals import check_path, file_in_place_of_a_folder
from brushwork_workers.models.fingerprint import Fingerprints
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.listing import FileListing, FolderListing
from brushwork_workers.models.safetensors_head import check_complete
from brushwork_workers.models.weights import SAFETENSORS


def locate(entry: Entry) -> Path:
    """Return the folder of an entry after verifying its files. Nothing is loaded or downloaded.

    A model that is built without files has no folder: the returned path then does not exist.

    Raises:
        ModelNotHere: The model is not on this machine; the hint says how to get it.
        ModelFileMissing: A file is missing.
        HashMismatch: A file differs from the one that was pinned or pulled.
        PickledWeights: The weights are a pickle.
        RemoteCode: A configuration asks for code that comes with the model.
        UnknownModelClass: A configuration names an unknown class.
        ModelUnavailable: A file is damaged.
    """
    in_folder = _of_its_folder(entry)
    folder, names = _find(in_folder)
    with _named_errors(in_folder, folder):
        # The hashes come first: for a changed file, a wrong hash says more than a damaged header.
        _check_pinned(in_folder, folder, names)
        _check_complete(folder, names)
    if isinstance(entry, Model) and (entry.source.file is not None or entry.vae is not None):
        try:
            _check_pinned_file(entry)
            check_own_parts(entry, folder)
        except ModelUnavailable as error:
            message = said("Model {entry}: {message}", entry=entry.name, message=error.message)
            raise type(error)(message, field=error.field, hint=error.hint) from error
    return folder


def listed(entry: Entry) -> tuple[Path, tuple[str, ...]]:
    """Return the folder of an entry and the names of the files that loading reads, without checking hashes.

    Raises:
        ModelUnavailable: One of the errors of `locate`, except `HashMismatch`.
    """
    in_folder = _of_its_folder(entry)
    folder, names = _find(in_folder)
    with _named_errors(in_folder, folder):
        _check_complete(folder, names)
    return folder, names


def _of_its_folder(entry: Entry) -> Entry:
    """Return an entry without what does not come from its folder: for a single file, that of its base."""
    if not isinstance(entry, Model):
        return entry
    base = entry.source.base_source
    if base is None:
        return entry.model_copy(update={"vae": None}) if entry.vae is not None else entry
    return entry.model_copy(update={"name": str(entry.source.base), "source": base, "vae": None})


def _check_pinned_file(entry: Model) -> None:
    """Check the SHA-256 of a single file, if the entry has it."""
    file, pinned = entry.source.file, entry.source.files
    if file is None:
        return
    check_path(file, "source.file")
    for name, sha256 in pinned.items():
        found = Fingerprints(file.parent).of([file.name])[file.name] if name == file.name else None
        if found != sha256:
            raise HashMismatch(
                said(
                    "{name} is not the file that was pinned: its SHA-256 is {found}, not {sha256}.",
                    name=file.name,
                    found=found or "not known",
                    sha256=sha256,
                ),
                field="source.files",
                hint="Download the file again, or correct the hash in the catalogue.",
            )


def _find(entry: Entry) -> tuple[Path, tuple[str, ...]]:
    source = entry.source
    folder = place_of(source)
    if folder is None and source.architecture is not None:
        return models_dir() / "architectures" / source.architecture, ()
    if folder is None or not is_here(source):
        raise _model_not_here(entry, folder)
    with _named_errors(entry, folder):
        # The folder of a single file may have many other files.
        listing = FolderListing(folder) if source.file is None else FileListing(source.file)
        return folder, files_to_load(entry, listing)


def _check_complete(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if name.endswith(SAFETENSORS):
            check_complete(folder / name, name)


@contextmanager
def _named_errors(entry: Entry, folder: Path) -> Iterator[None]:
    """Add the name of the model, and a hint for its type of source, to errors about files."""
    try:
        yield
    except ModelFileMissing as error:
        # Other tools may have downloaded fewer files into the cache of the hub. That is not damage.
        if entry.source.repository is not None and folder == hub_cache_place(entry.source):
            raise _model_not_here(entry, pulled_place(entry.source)) from error
        raise _with_model_name(entry, folder, error) from error
    except ModelUnavailable as error:
        raise _with_model_name(entry, folder, error) from error
    except OSError as error:
        raise ModelUnavailable(
            said("Model {entry}: its files cannot be read: {error}.", entry=entry.name, error=private(error)),
            field="source",
            hint=said("Check that the worker may read {folder}.", folder=private(folder, "its folder")),
        ) from error


def _check_pinned(entry: Entry, folder: Path, names: tuple[str, ...]) -> None:
    expected = _pinned_hashes(entry, folder, names)
    found = Fingerprints(folder).of(expected)
    for name, sha256 in expected.items():
        if found[name] != sha256:
            raise HashMismatch(
                said(
                    "{name} is not the file that was pinned: its SHA-256 is {found}, not {sha256}.",
                    name=name,
                    found=found[name],
                    sha256=sha256,
                ),
                field="source.files" if name in entry.source.files else "source",
                hint=_pull_hint(entry) or "Download the file again, or correct the hash in the catalogue.",
            )


def _pinned_hashes(entry: Entry, folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return the expected SHA-256 by file name: from the catalogue, and from the lock for files to read."""
    for name in entry.source.files:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not (folder / inside).is_file():
            raise ModelFileMissing(
                said("{name} is missing, although the catalogue pins it.", name=name),
                field="source.files",
                hint=_pull_hint(entry),
            )
    lock = read_lock(folder) if folder == pulled_place(entry.source) else None
    if lock is None:
        return dict(entry.source.files)
    for name in names:
        if name not in lock.files:
            raise HashMismatch(
                said("{name} is not one of the files that were pulled.", name=name),
                field="source",
                hint=said(
                    "Run: brushwork models pull {entry}. If the error remains, delete the file.",
                    entry=entry.name,
                ),
            )
    return {name: lock.files[name].sha256 for name in names} | entry.source.files


def _pull_hint(entry: Entry) -> str | None:
    if pulled_place(entry.source) is None:
        return None
    return said("Run: brushwork models pull {entry}", entry=entry.name)


def _with_model_name(entry: Entry, folder: Path, error: ModelUnavailable) -> ModelUnavailable:
    """Return the same error with the name of the model, its folder, and a hint for its type of source."""
    missing = isinstance(error, ModelFileMissing) and _pull_hint(entry)
    hint = missing or error.hint
    message = said(
        "Model {entry}: {message} Its folder is {folder}.",
        entry=entry.name,
        message=error.message,
        folder=private(folder, "named in the worker's log"),
    )
    return type(error)(message, field=error.field, hint=hint)


def _model_not_here(entry: Entry, folder: Path | None) -> ModelUnavailable:
    if folder is not None and folder.is_file():
        return file_in_place_of_a_folder(folder)
    source = entry.source
    if source.file is not None:
        try:
            check_path(source.file, "source.file")
        except ModelUnavailable as error:
            return error
    origin = source.repository_name or source.weights or source.job or source.packaged
    return ModelNotHere(
        said("Model {entry}: {origin} is not on this machine.", entry=entry.name, origin=origin)
        if source.folder is None
        else said(
            "Model {entry}: the folder {folder} does not exist.",
            entry=entry.name,
            folder=private(folder, "of its catalogue entry"),
        ),
        field="source",
        hint=_pull_hint(entry)
        or "Correct the catalogue entry, or copy the files of the model to this folder.",
    )
