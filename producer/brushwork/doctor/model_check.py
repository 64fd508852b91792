"""Whether the catalogue can be read, and where workers run, whether each model's files are here and whole."""

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
    """The catalogue, and the files of the models that a worker here would load, as far as they show unloaded.

    `brushwork models check` looks closer, which takes the libraries that load them.
    """
    catalogue = Catalogue.load(settings.catalogue)
    models = list(catalogue)
    here = [model for model in models if is_here(model.source)]
    yield ok(ABOUT, f"The catalogue has {len(models)}, and {len(here)} are here: {_names(here)}.")
    if importlib.util.find_spec("torch") is None:
        return
    wanted = {name.strip() for name in settings.models.split(",")} if settings.models else None
    for model in models:
        # What could be pulled and was not is nobody's fault, unless somebody asks for it.
        if model.name in wanted if wanted else model in here or pulled_place(model.source) is None:
            yield _files(model)


def _names(models: Sequence[Model]) -> str:
    return ", ".join(model.name for model in models)


def _files(model: Model) -> Finding:
    folder, pulls = place_of(model.source), pulled_place(model.source) is not None
    if not is_here(model.source):
        return fail(
            ABOUT,
            f"{model.name}: its files are not here.",
            f"Run: brushwork models pull {model.name}"
            if pulls
            else f"Correct the catalogue entry, or put them into {folder}.",
        )
    if folder is None:
        return ok(ABOUT, f"{model.name}: built here, of no file.")
    damage = [f"{file.name}: {wrong}" for file in sorted(folder.rglob("*")) if (wrong := _damage(file))]
    weights = list(folder.rglob(f"*{WEIGHTS}"))
    if not weights:
        damage.append(f"there is no {WEIGHTS} file, and no other sort is loaded")
    if damage:
        return fail(
            ABOUT,
            f"{model.name}: {'; '.join(damage)}.",
            f"Run: brushwork models pull {model.name}" if pulls else f"Fetch its files again into {folder}.",
        )
    size = sum(file.stat().st_size for file in weights)
    return ok(ABOUT, f"{model.name}: {size / 1e6:.1f} MB of weights, whole.")


def _damage(file: Path) -> str | None:
    """What is wrong with a file, as far as it shows without loading it."""
    try:
        if file.suffix == WEIGHTS:
            return None if _is_whole(file) else "it is cut off, or no such file at all"
        if file.suffix == ".json":
            json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        return f"it can't be read ({type(error).__name__})"
    return None


def _is_whole(file: Path) -> bool:
    """Whether the file is as long as its head says."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8 or (length := struct.unpack("<Q", start)[0]) > size - 8:
            return False
        head = json.loads(stream.read(length))
    ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
    return bool(8 + length + max(ends, default=0) == size)
