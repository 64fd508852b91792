"""Whether the catalogue can be read, and where workers run, whether each model's files are here and whole."""

import importlib.util
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.settings import Settings

from brushwork.doctor.finding import Finding, fail, ok

ABOUT = "models"
WEIGHTS = ".safetensors"


def check_models(settings: Settings) -> Iterator[Finding]:
    """The catalogue, and the files of the models that a worker here would load."""
    catalogue = Catalogue.load(settings.catalogue)
    models = list(catalogue)
    yield ok(ABOUT, f"The catalogue has {len(models)}: {', '.join(model.name for model in models)}.")
    if importlib.util.find_spec("torch") is None:
        return
    wanted = {name.strip() for name in settings.models.split(",")} if settings.models else None
    for model in models:
        if wanted is None or model.name in wanted:
            yield _files(model)


def _files(model: Model) -> Finding:
    folder = _folder(model)
    if folder is None or not folder.is_dir():
        source = model.source
        fetch = f"Run: hf download {source.repository} --revision {source.revision}"
        return fail(
            ABOUT,
            f"{model.name}: its files are not here.",
            fetch if source.repository else f"Correct the catalogue entry, or put them into {folder}.",
        )
    damage = [f"{file.name}: {wrong}" for file in sorted(folder.rglob("*")) if (wrong := _damage(file))]
    weights = list(folder.rglob(f"*{WEIGHTS}"))
    if not weights:
        damage.append(f"there is no {WEIGHTS} file, and no other sort is loaded")
    if damage:
        return fail(ABOUT, f"{model.name}: {'; '.join(damage)}.", f"Fetch its files again into {folder}.")
    size = sum(file.stat().st_size for file in weights)
    return ok(ABOUT, f"{model.name}: {size / 1e6:.1f} MB of weights, whole.")


def _folder(model: Model) -> Path | None:
    """Where its files should be; found without any of the libraries that load it."""
    source = model.source
    if source.folder is not None:
        return source.folder
    if source.repository is not None:
        home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
        cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
        name = source.repository.replace("/", "--")
        return cache / f"models--{name}" / "snapshots" / str(source.revision)
    workers = importlib.util.find_spec("brushwork_workers")
    places = workers.submodule_search_locations if workers else None
    return Path(places[0], "pocket", "weights", str(source.packaged)) if places else None


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
