"""`brushwork models pull`: from a catalogue entry to its files on this machine, with a lock beside them."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from brushwork_core.files.model_folders import Entry, Lock, LockedFile, pulled_place, read_lock, write_lock
from brushwork_schemas.errors import InvalidRequest, ModelUnavailable

from brushwork_workers.models.fingerprint import Fingerprints
from brushwork_workers.models.hub import ByteProgress, HubRepository
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.torchvision_file import FILES, TorchvisionFile

# What is left on the disk when all is here.
SPARE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Pull:
    """What is to be fetched for an entry.

    Args:
        entry: Of the catalogue.
        folder: Where it goes.
        files: Sizes in bytes, by name; where nobody knows before, about.
        is_gated: Whether the hub asks for an accepted licence.
        licence: As the hub says, if it says.
        fetch: Gets a file, and gives its SHA-256.
    """

    entry: Entry
    folder: Path
    files: Mapping[str, int]
    is_gated: bool
    licence: str | None
    fetch: Callable[[str, ByteProgress], str]

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(self.files.values())

    @property
    def is_done(self) -> bool:
        """Whether all are here, as far as the lock tells."""
        lock = read_lock(self.folder)
        return lock is not None and all(
            name in lock.files and (self.folder / name).is_file() for name in self.files
        )

    def run(self, report: ByteProgress) -> Path:
        """Fetch what is missing, check all of it, and say so in the lock.

        Args:
            told: Called with how many bytes more there are.

        Raises:
            HashMismatch: A file arrived damaged.
            ModelUnavailable: The disk has too little room, or a file may not be fetched.
            ServiceUnreachable: Nobody answers; what arrived is kept.
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
                origin=str(source.repository or source.weights),
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
        # What was here already counts too.
        report(max(0, self.files[name] - num_reported))
        return sha256

    def _check_disk_space(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        missing = sum(size for name, size in self.files.items() if not (self.folder / name).is_file())
        free = shutil.disk_usage(self.folder).free
        if missing and missing + SPARE_BYTES > free:
            raise ModelUnavailable(
                f"{self.entry.name} takes {missing / 1e9:.1f} GB more, and the disk of {self.folder} has "
                f"{free / 1e9:.1f}.",
                hint="Make room, or name another place with BRUSHWORK_MODEL_FILES.",
            )


def plan(entry: Entry) -> Pull:
    """What there is to fetch; only configurations are read.

    Raises:
        InvalidRequest: The entry's files come from nowhere.
        ModelUnavailable: What is there could not be loaded, or may not be fetched; the message says why.
        ServiceUnreachable: The hub does not answer.
    """
    source, folder = entry.source, pulled_place(entry.source)
    if folder is None:
        raise InvalidRequest(
            f"{entry.name} is not pulled: its files come from no repository.",
            field="name",
            hint=f"brushwork models check {entry.name} says where they are, and whether they are whole.",
        )
    if source.weights is not None:
        return _plan_torchvision(entry, folder, source.weights)
    with tempfile.TemporaryDirectory() as scratch:
        repository = HubRepository(str(source.repository), str(source.revision), Path(scratch))
        names = files_to_load(entry, repository)
        files = {name: repository.files[name].size_bytes for name in names}
        return Pull(
            entry,
            folder,
            files,
            is_gated=repository.is_gated,
            licence=repository.licence,
            fetch=lambda name, report: repository.fetch(name, folder, report),
        )


def _plan_torchvision(entry: Entry, folder: Path, weights: str) -> Pull:
    file = TorchvisionFile.named(weights)
    fetched: dict[str, str] = {}

    def fetch(name: str, report: ByteProgress) -> str:
        # One download makes both.
        if not fetched:
            fetched.update(_hashes_if_locked(folder) or file.fetch(folder, report))
        return fetched[name]

    sizes = dict(zip(FILES, (0, file.size_bytes), strict=True))
    return Pull(entry, folder, sizes, is_gated=False, licence=None, fetch=fetch)


def _hashes_if_locked(folder: Path) -> dict[str, str] | None:
    """SHA-256 of the files, where they are here and what the lock says."""
    lock = read_lock(folder)
    if lock is None or not all((folder / name).is_file() for name in FILES):
        return None
    found = Fingerprints(folder).of(FILES)
    return found if all(found[name] == lock.files[name].sha256 for name in FILES) else None
