"""Check the catalogue and, where workers can run, the files of its models."""

import importlib.util
import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from brushwork_core.files.model_folders import is_here, place_of, pulled_place
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue, Model

from brushwork.doctor.finding import Finding, fail, ok

ABOUT = "models"
WEIGHTS = ".safetensors"


def check_models(settings: Settings) -> Iterator[Finding]:
    """Check the catalogue and the files of the models that a worker here would load, without loading them.

    `brushwork models check` checks more. It needs the packages of the workers.
    """
    catalogue = Catalogue.load(settings.catalogue)
    models = list(catalogue)
    here = [model for model in models if is_here(model.source)]
    yield ok(
        ABOUT, f"The catalogue has {len(models)} models. {len(here)} are on this machine: {_names(here)}."
    )
    if importlib.util.find_spec("torch") is None:
        return
    wanted = {name.strip() for name in settings.models.split(",")} if settings.models else None
    for model in models:
        # A model that is not pulled is an error only if BRUSHWORK_MODELS names it.
        if model.name in wanted if wanted else model in here or pulled_place(model.source) is None:
            yield _files(model)


def _names(models: Sequence[Model]) -> str:
    return ", ".join(model.name for model in models)


def _files(model: Model) -> Finding:
    folder, pulls = place_of(model.source), pulled_place(model.source) is not None
    if not is_here(model.source):
        return fail(
            ABOUT,
            f"{model.name}: its files are not on this machine.",
            f"Run: brushwork models pull {model.name}"
            if pulls
            else f"Correct the catalogue entry, or copy the files into {folder}.",
        )
    if folder is None:
        return ok(ABOUT, f"{model.name}: has no files; it is built from its architecture.")
    damage = [f"{file.name}: {wrong}" for file in sorted(folder.rglob("*")) if (wrong := _damage(file))]
    weights = list(folder.rglob(f"*{WEIGHTS}"))
    if not weights:
        damage.append(f"there is no {WEIGHTS} file, the only supported format")
    if damage:
        return fail(
            ABOUT,
            f"{model.name}: {'; '.join(damage)}.",
            f"Run: brushwork models pull {model.name}" if pulls else f"Copy its files into {folder} again.",
        )
    size = sum(file.stat().st_size for file in weights)
    return ok(ABOUT, f"{model.name}: {size / 1e6:.1f} MB of weights are complete.")


def _damage(file: Path) -> str | None:
    """Return what is wrong with a file, without loading it; None if nothing is."""
    try:
        if file.suffix == WEIGHTS:
            return None if _is_whole(file) else "is truncated or not a safetensors file"
        if file.suffix == ".json":
            json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        return f"cannot be read ({type(error).__name__})"
    return None


def _is_whole(file: Path) -> bool:
    """Return whether the file is as long as its header says."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8 or (length := struct.unpack("<Q", start)[0]) > size - 8:
            return False
        head = json.loads(stream.read(length))
    ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
    return bool(8 + length + max(ends, default=0) == size)
