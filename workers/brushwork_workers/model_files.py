"""Where a catalogue entry's files lie on this machine, and which revision they are."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

PACKAGED = Path(__file__).parent / "pocket" / "weights"
_PACKAGES = ("brushwork", "torch", "torchvision", "transformers", "diffusers", "pillow")
_BLOCK_BYTES = 1 << 20


def locate(model: Model) -> Path:
    """The folder of the model's files; nothing is downloaded.

    Raises:
        ModelUnavailable: The files are not here; the hint says how to get them.
    """
    source = model.source
    if source.repository is not None:
        return _cached(model.name, source.repository, source.revision)
    folder = source.folder or PACKAGED / str(source.packaged)
    if not folder.is_dir():
        raise ModelUnavailable(
            f"Model {model.name}: there is no folder {folder}.",
            field="source",
            hint="Correct the catalogue entry, or put the model's files there.",
        )
    return folder


def revision(model: Model, folder: Path) -> str:
    """The pinned commit of a repository, else the SHA-256 over the folder's weights and configurations."""
    if model.source.revision is not None:
        return model.source.revision
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".safetensors", ".json", ".txt"):
            digest.update(file.relative_to(folder).as_posix().encode())
            digest.update(_file_digest(file))
    return digest.hexdigest()


@cache
def versions() -> dict[str, str]:
    """The versions of the packages that take part in a result."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cached(name: str, repository: str, commit: str | None) -> Path:
    try:
        return Path(snapshot_download(repository, revision=commit, local_files_only=True))
    except (LocalEntryNotFoundError, FileNotFoundError) as error:
        raise ModelUnavailable(
            f"Model {name}: {repository} at {commit} is not on this machine.",
            field="source",
            hint=f"Run: hf download {repository} --revision {commit}",
        ) from error


def _file_digest(file: Path) -> bytes:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.digest()
