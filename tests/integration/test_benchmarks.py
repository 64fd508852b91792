"""Each benchmark as a command in its smallest form, without peers: it leaves figures, plot and table."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALLEST = {
    "text_to_image": ("--jobs=2", "--steps=2", "--rounds=1", "--peers=none"),
    "mixed_steps": ("--jobs=2", "--arrivals=2", "--rounds=1", "--most-steps=3", "--peers=none"),
    "image_classification": ("--jobs=4", "--models=pocket-classifier", "--rounds=1", "--peers=none"),
    "empty_job": ("--jobs=4", "--one-by-one=4", "--rounds=1", "--peers=none", "--no-postgres"),
    "cuda_gathering": (
        "--tiny", "--device=cpu", "--families=sdxl", "--sides=32", "--counts=2", "--steps=2", "--rounds=1",
    ),
}  # fmt: skip


def run(name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_leaves_figures_plot_and_table(name: str, tmp_path: Path) -> None:
    places = (f"--out={tmp_path}", f"--page={tmp_path / 'page.md'}")
    ended = run(name, *SMALLEST[name], *places)
    assert ended.returncode == 0, ended.stderr
    record = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
    assert record["rows"]
    assert str(tmp_path) not in json.dumps(record)
    assert (tmp_path / f"{name}.png").stat().st_size > 1000
    page = (tmp_path / "page.md").read_text("utf-8")
    assert page.count("| brushwork") >= 1 or "brushwork, gathered calls" in page


def test_without_a_cuda_device_one_line_says_so(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    ended = run("cuda_gathering", f"--out={tmp_path}", f"--page={tmp_path / 'page.md'}")
    assert ended.returncode == 1
    assert "skipped, for there is no CUDA device" in ended.stderr
    assert not list(tmp_path.iterdir())
