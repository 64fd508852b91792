"""`brushwork models pull`: download the files of a catalogue entry and write a lock file beside them."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brushwork_core.files.model_folders import Entry, Lock, LockedFile, pulled_place, read_lock, write_lock
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidRequest, ModelUnavailable
from brushwork_schemas.wording.phrase import private, said

from brushwork_workers.models.fingerprint import Fingerprints
from brushwork_workers.models.hub import ByteProgress
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.recognition import described
from brushwork_workers.models.repositories import remote_repository
from brushwork_workers.models.torchvision_file import FILES, TorchvisionFile

# The disk space that must remain free after a download.
SPARE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Pull:
    """The download of the files of one entry.

    Args:
        entry: The catalogue entry.
        folder: The folder to write to.
        files: The size of each file in bytes, by name. Sizes may be approximate.
        is_gated: Whether the licence must be accepted on the hub first.
        licence: The licence that the hub names, if any.
        page: The address of the page of the model, if it has one.
        fetch: Downloads a file by name and returns its SHA-256.
        pipeline: The description of the pipeline, for an entry that needs one and has none.
    """

    entry: Entry
    folder: Path
    files: Mapping[str, int]
    is_gated: bool
    licence: str | None
    page: str | None
    fetch: Callable[[str, ByteProgress], str]
    pipeline: Mapping[str, Any] | None = None

    @property
    def size_bytes(self) -> int:
        """The size of all files, in bytes."""
        return sum(self.files.values())

    @property
    def is_done(self) -> bool:
        """Whether all files are present and in the lock file. Their content is not checked."""
        lock = read_lock(self.folder)
        return lock is not None and all(
            name in lock.files and (self.folder / name).is_file() for name in self.files
        )

    def run(self, report: ByteProgress) -> Path:
        """Download missing files, verify all files, and write the lock file.

        Args:
            report: Called with the number of bytes of each part that arrives.

        Returns:
            The folder of the files.

        Raises:
            HashMismatch: A file arrived damaged.
            ModelUnavailable: The disk has too little space, or a download is not allowed.
            ServiceUnreachable: The server cannot be reached. Complete parts are kept.
        """
        self._check_disk_space()
        found = {name: self._fetch_one(name, report) for name in self.files}
        earlier = read_lock(self.folder)
        locked = {
            name: LockedFile(size_bytes=(self.folder / name).stat().st_size, sha256=sha256)
            for name, sha256 in found.items()
        }
        source = self.entry.source
        write_lock(
            self.folder,
            Lock(
                origin=_origin(source),
                revision=source.revision,
                pulled_at=datetime.now(UTC),
                files={**(earlier.files if earlier else {}), **locked},
            ),
        )
        return self.folder

    def _fetch_one(self, name: str, report: ByteProgress) -> str:
        num_reported = 0

        def count(num_bytes: int) -> None:
            nonlocal num_reported
            num_reported += num_bytes
            report(num_bytes)

        sha256 = self.fetch(name, count)
        # Files that were already present count as downloaded.
        report(max(0, self.files[name] - num_reported))
        return sha256

    def _check_disk_space(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        missing = sum(size for name, size in self.files.items() if not (self.folder / name).is_file())
        free = shutil.disk_usage(self.folder).free
        if missing and missing + SPARE_BYTES > free:
            raise ModelUnavailable(
                said(
                    "{entry} needs {missing:.1f} GB more, but the disk of {folder} has only "
                    "{free:.1f} GB free.",
                    entry=self.entry.name,
                    missing=missing / 1e9,
                    folder=private(self.folder, "its folder"),
                    free=free / 1e9,
                ),
                hint="Free disk space, or set BRUSHWORK_MODEL_FILES to a folder on another disk.",
            )


def plan(entry: Entry) -> Pull:
    """Find out which files an entry needs. Only configurations are downloaded.

    Raises:
        InvalidRequest: The files of the entry do not come from a repository.
        ModelUnavailable: The model could not be loaded, or its download is not allowed; the message says why.
        ServiceUnreachable: The hub cannot be reached.
        UnknownModelClass: The entry has no description, and its pipeline cannot be served.
    """
    source, folder = entry.source, pulled_place(entry.source)
    if folder is None:
        hint = said("To find and verify its files, run: brushwork models check {entry}", entry=entry.name)
        if source.base is not None:
            hint = said("To pull its base, run: brushwork models pull {base}", base=source.base)
        raise InvalidRequest(
            said("{entry} cannot be pulled: its files do not come from a repository.", entry=entry.name),
            field="name",
            hint=hint,
        )
    if source.weights is not None:
        return _plan_torchvision(entry, folder, source.weights)
    with tempfile.TemporaryDirectory() as scratch:
        repository = remote_repository(source, Path(scratch))
        names = files_to_load(entry, repository)
        files = {name: repository.files[name].size_bytes for name in names}
        return Pull(
            entry,
            folder,
            files,
            is_gated=repository.is_gated,
            licence=repository.licence,
            page=repository.page,
            fetch=lambda name, report: repository.fetch(name, folder, report),
            pipeline=described(repository) if _lacks_description(entry) else None,
        )


def _lacks_description(entry: Entry) -> bool:
    return isinstance(entry, Model) and entry.family_spec.is_described and entry.pipeline is None


def _origin(source: Source) -> str:
    if source.modelscope is not None:
        return f"modelscope:{source.modelscope}"
    return str(source.repository or source.weights)


def _plan_torchvision(entry: Entry, folder: Path, weights: str) -> Pull:
    file = TorchvisionFile.named(weights)
    fetched: dict[str, str] = {}

    def fetch(name: str, report: ByteProgress) -> str:
        # One download provides both files.
        if not fetched:
            fetched.update(_hashes_if_locked(folder) or file.fetch(folder, report))
        return fetched[name]

    sizes = dict(zip(FILES, (0, file.size_bytes), strict=True))
    return Pull(entry, folder, sizes, is_gated=False, licence=None, page=None, fetch=fetch)


def _hashes_if_locked(folder: Path) -> dict[str, str] | None:
    """Return the SHA-256 of the files if they are present and match the lock file; else None."""
    lock = read_lock(folder)
    if lock is None or not all((folder / name).is_file() for name in FILES):
        return None
    found = Fingerprints(folder).of(FILES)
    return found if all(found[name] == lock.files[name].sha256 for name in FILES) else None
