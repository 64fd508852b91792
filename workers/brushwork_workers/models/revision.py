"""The revision of the files of a model, and the versions of the packages that take part in a result."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from brushwork_schemas.catalogue import Model

from brushwork_workers.models.checkpoints.own_parts import own_files
from brushwork_workers.models.fingerprint import Fingerprints

_PACKAGES = ("brushwork", "torch", "torchvision", "transformers", "diffusers", "pillow")


def revision(model: Model, folder: Path) -> str:
    """Return the pinned commit of a repository, or else the SHA-256 over weights and configurations.

    If parts come from a single file or from a VAE of its own, it is the SHA-256 over their files and the
    revision of the rest.
    """
    source = model.source.base_source or model.source
    if source.revision is not None:
        found = source.revision
    elif source.architecture is not None:
        found = f"{source.architecture} {versions()['brushwork']}"
    else:
        found = fingerprint(folder)
    own = own_fingerprint(model, folder)
    return hashlib.sha256(f"{found} {own}".encode()).hexdigest() if own else found


def own_fingerprint(model: Model, folder: Path) -> str:
    """Return the SHA-256 over the files that are not in the folder of a model; empty if there are none."""
    if model.source.file is None and model.vae is None:
        return ""
    digest = hashlib.sha256()
    for file in own_files(model, folder):
        digest.update(bytes.fromhex(Fingerprints(file.parent).of([file.name])[file.name]))
    return digest.hexdigest()


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 over the weights and configurations in a folder."""
    names = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    relevant = sorted(name for name in names if name.suffix in (".safetensors", ".json", ".txt"))
    found = Fingerprints(folder).of(name.as_posix() for name in relevant)
    digest = hashlib.sha256()
    for name in relevant:
        digest.update(name.as_posix().encode())
        digest.update(bytes.fromhex(found[name.as_posix()]))
    return digest.hexdigest()


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages that take part in a result, by name."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
