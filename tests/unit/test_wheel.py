"""What the wheel holds: all that runs, the models that ship, and no torch for who only enqueues."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_WEIGHTS_BYTES = 40_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.mark.parametrize(
    "file",
    [
        "brushwork/py.typed",
        "brushwork/cli/__init__.py",
        "brushwork/embedded/leash.py",
        "brushwork/page/static/page.css",
        "brushwork/page/templates/base.html",
        "brushwork/page/words/zh.toml",
        "brushwork_schemas/py.typed",
        "brushwork_schemas/catalogue/catalogue.toml",
        "brushwork_schemas/wording/zh/schemas.toml",
        "brushwork_core/database/migrations/env.py",
        "brushwork_core/database/migrations/versions/0001_first_tables.py",
        "brushwork_workers/py.typed",
    ],
)
def test_it_holds_what_is_needed_to_run(wheel: zipfile.ZipFile, file: str) -> None:
    assert file in wheel.namelist()


def test_every_packaged_model_ships_and_together_they_are_small(wheel: zipfile.ZipFile) -> None:
    folder = "brushwork_workers/pocket/weights/"
    weights = [info for info in wheel.infolist() if info.filename.startswith(folder)]
    models = {info.filename.removeprefix(folder).split("/")[0] for info in weights if info.file_size}
    assert models >= {"pocket-diffusion", "pocket-captioner", "pocket-classifier", "pocket-segmenter"}
    assert sum(info.file_size for info in weights) < MOST_WEIGHTS_BYTES


def test_weights_are_safetensors_and_nothing_pickled(wheel: zipfile.ZipFile) -> None:
    suffixes = {Path(name).suffix for name in wheel.namelist() if "/weights/" in name}
    assert ".safetensors" in suffixes
    assert suffixes <= {".safetensors", ".json", ".md", ".txt"}


def test_only_the_extras_ask_for_torch(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    required = Parser().parsestr(wheel.read(name).decode()).get_all("Requires-Dist") or []
    heavy = [line for line in required if line.startswith(("torch", "diffusers", "transformers", "numpy"))]
    assert heavy
    assert all("extra ==" in line for line in heavy)


def test_it_holds_the_four_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist() if ".dist-info" not in name}
    assert tops == {"brushwork", "brushwork_core", "brushwork_schemas", "brushwork_workers"}
