"""The files of trained models, copied from the artifact store into folders that can be loaded."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.sha256 import sha256_of, sha256_of_file
from brushwork_core.files.trained_models import TrainedModels
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import AddOn, Model
from brushwork_schemas.errors import ArtifactMissing, HashMismatch, ModelFileMissing, ModelUnavailable
from brushwork_schemas.wording.phrase import private, said

# The most folders of trained models that are kept. It takes only a moment to copy a removed one again.
MAX_FOLDERS = 64
Entry = Model | AddOn


class TrainedFiles:
    """Finds the folder of the files of any model. Safe to use from any thread and process.

    Args:
        models: Knows the files of each training job.
        store: The artifact store, which has these files.
        folder: The folder for copies. Each trained model gets a subfolder named by the hash of its files.
        find_untrained: Finds the folder of a model that was not trained by a job.
    """

    def __init__(
        self,
        models: TrainedModels,
        store: ArtifactStore,
        folder: Path,
        find_untrained: Callable[[Entry], Path],
    ) -> None:
        self._models = models
        self._store = store
        self._folder = folder
        self._find_untrained = find_untrained

    def find(self, entry: Entry) -> Path:
        """Return the folder of an entry, with all files complete and of the right SHA-256.

        Raises:
            ModelNotHere: The job that trained the model no longer exists.
            ModelFileMissing: A file is missing in the store.
            HashMismatch: The store returns a file with other content.
            ModelUnavailable: The files cannot be written to the folder.
        """
        job_id = entry.source.job
        if job_id is None:
            return self._find_untrained(entry)
        files = self._models.files(job_id)
        name = hashlib.sha256("".join(file.sha256 for file in files.values()).encode()).hexdigest()[:32]
        target = self._folder / name
        try:
            if not _is_complete(target, files):
                self._fetch(entry.name, files, target)
            os.utime(target)
        except OSError as error:
            raise ModelUnavailable(
                said(
                    "Model {entry}: its files cannot be written to {target}: {error}.",
                    entry=entry.name,
                    target=private(target, "its folder"),
                    error=private(error),
                ),
                field="model",
                hint="Check free disk space and write access, or set BRUSHWORK_CACHE_FILES to a folder.",
            ) from error
        return target

    def _fetch(self, name: str, files: Mapping[str, Artifact], target: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as scratch:
            new_folder = Path(scratch) / target.name
            new_folder.mkdir()
            for file, artifact in files.items():
                (new_folder / file).write_bytes(self._bytes(name, artifact))
            _put_in_place(new_folder, target, files)
        _remove_oldest(self._folder)

    def _bytes(self, name: str, artifact: Artifact) -> bytes:
        try:
            data = self._store.get(artifact.sha256)
        except ArtifactMissing as error:
            raise ModelFileMissing(
                said("Model {name}: {message}", name=name, message=error.message),
                field="model",
                hint=error.hint,
            ) from error
        if sha256_of(data) != artifact.sha256:
            raise HashMismatch(
                said(
                    "Model {name}: the content of the file {sha256} in the artifact store has changed.",
                    name=name,
                    sha256=artifact.sha256,
                ),
                field="model",
                hint="Restore the file from a backup of the artifact store, or train the model again.",
            )
        return data


def _put_in_place(new_folder: Path, target: Path, files: Mapping[str, Artifact]) -> None:
    """Rename the folder. A complete one that another worker has put there meanwhile stays.

    Raises:
        OSError: The folder cannot be renamed.
    """
    while True:
        try:
            new_folder.rename(target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if _is_complete(target, files):
            return
        shutil.rmtree(target, ignore_errors=True)


def _is_complete(folder: Path, files: Mapping[str, Artifact]) -> bool:
    for name, artifact in files.items():
        file = folder / name
        if not file.is_file() or sha256_of_file(file) != artifact.sha256:
            return False
    return True


def _remove_oldest(folder: Path) -> None:
    folders = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for path in sorted(folders, key=lambda each: each.stat().st_mtime, reverse=True)[MAX_FOLDERS:]:
        shutil.rmtree(path, ignore_errors=True)
