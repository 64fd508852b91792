"""A distribution with plug-ins in a folder, and Python code that runs with it on its path."""

import os
import subprocess
import sys
from pathlib import Path

RUN_S = 120
# A kind with a picture and a number, a family for it, and a catalogue with one model.
KIND = """
from pathlib import Path

from brushwork_schemas.artifact import Picture
from brushwork_schemas.families.family import Family
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Result
from pydantic import Field


class SharpnessRequest(Request):
    photo: Picture = Field(title="Photo", description="The picture to measure.")
    radius: int = Field(2, ge=1, le=9, title="Radius", description="Radius in pixels.")


class SharpnessResult(Result):
    sharpness: float


KIND = Kind(
    name="picture-sharpness",
    request_type=SharpnessRequest,
    result_type=SharpnessResult,
    title={"en": "Sharpness", "zh": "清晰度"},
    action={"en": "Measure sharpness", "zh": "测量清晰度"},
    example={"photo": "0" * 64, "radius": 3},
    sample=lambda job, picture: {"sharpness": 1.0},
)
FAMILY = Family(name="sharpness", library="sharpness", kinds=("picture-sharpness",), loader="nowhere:load")
CATALOGUE = Path(__file__).with_name("sharpness.toml")
"""
MODELS = """
[models.sharp]
family = "sharpness"
source = { architecture = "sharp" }
"""


def write_distribution(folder: Path, name: str, module: str, **points: str) -> None:
    """Write an installed distribution: one module, and entry points such as `kinds="sharp = module:KIND"`."""
    (folder / f"{name}_module.py").write_text(module)
    metadata = folder / f"{name}-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    groups = [f"[brushwork.{group}]\n{point}\n" for group, point in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(groups))


def write_sharpness(folder: Path) -> None:
    """Write the distribution `sharpness` with its kind, family and catalogue."""
    write_distribution(
        folder,
        "sharpness",
        KIND,
        kinds="sharp = sharpness_module:KIND",
        families="sharp = sharpness_module:FAMILY",
        catalogues="sharp = sharpness_module:CATALOGUE",
    )
    (folder / "sharpness.toml").write_text(MODELS)


def run_with(folder: Path, code: str, *arguments: str) -> str:
    """Run Python code with the folder on its path, in a process of its own; return what it printed."""
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
