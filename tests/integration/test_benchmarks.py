"""Each benchmark in its smallest form, without peers: it leaves figures, plot and table."""

import json
import shutil
from importlib import import_module
from pathlib import Path

import pytest
import torch

from benchmarks.command import Benchmark
from benchmarks.report import DOCS
from tests.conftest import is_thorough

SMALLEST = {
    "empty_job": ("--jobs=4", "--one-by-one=4", "--no-postgres"),
    "cuda_gathering": (
        "--tiny", "--device=cpu", "--families=sdxl", "--sides=32", "--counts=2", "--steps=2",
    ),
}  # fmt: skip
# Each starts a whole stack, some of them several times; what is special about them is what they measure.
LARGER = {
    "text_to_image": ("--jobs=2", "--steps=2"),
    "mixed_steps": ("--jobs=2", "--arrivals=2", "--most-steps=3"),
    "image_classification": ("--jobs=4", "--models=pocket-classifier"),
    "crash_detection": ("--ways=up-one",),
    "full_size": ("--models=resnet50", "--pictures=2"),
    "digits": ("--epochs=2", "--image-size=16", "--workers=2"),
}
KEPT = DOCS / "benchmarks"
ALIKE = ("--rounds=1", "--workers=1", "--peers=none")


def run(name: str, folder: Path, *options: str) -> None:
    benchmark: Benchmark = import_module(f"benchmarks.{name}").BENCHMARK
    assert benchmark.name == name
    benchmark.main([*ALIKE, *options, f"--out={folder}", f"--page={folder / 'page.md'}"])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "benchmark" in metafunc.fixturenames:
        larger = LARGER if is_thorough(metafunc.config) else ()
        metafunc.parametrize("benchmark", [*SMALLEST, *larger])


def test_a_benchmark_leaves_figures_plot_and_table(benchmark: str, tmp_path: Path) -> None:
    name = benchmark
    run(name, tmp_path, *{**SMALLEST, **LARGER}[name])
    record = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
    assert record["rows"]
    assert str(tmp_path) not in json.dumps(record)
    page = (tmp_path / "page.md").read_text("utf-8")
    assert "| brushwork" in page
    plot = tmp_path / f"{name}.png"
    plot.unlink()
    run(name, tmp_path, "--redraw")
    assert plot.stat().st_size > 1000
    assert (tmp_path / "page.md").read_text("utf-8") == page


@pytest.mark.parametrize("name", [file.stem for file in sorted(KEPT.glob("*.png"))])
def test_figures_that_are_kept_give_the_same_table_and_a_plot(name: str, tmp_path: Path) -> None:
    shutil.copy(KEPT / f"{name}.json", tmp_path)
    benchmark: Benchmark = import_module(f"benchmarks.{name}").BENCHMARK
    page = tmp_path / "page.md"
    benchmark.main(["--redraw", f"--out={tmp_path}", f"--page={page}"])
    assert (tmp_path / f"{name}.png").stat().st_size > 1000
    documents = "".join(file.read_text("utf-8") for file in DOCS.glob("*.md"))
    assert page.read_text("utf-8").strip() in documents


def test_the_gateway_is_measured(tmp_path: Path) -> None:
    smallest = ("--jobs=30", "--requests=4", "--connections", "1", "2", "--streams=3", "--no-postgres")
    folders = (f"--out={tmp_path}", f"--page={tmp_path / 'page.md'}", "--peers=none")
    benchmark: Benchmark = import_module("benchmarks.gateway").BENCHMARK
    benchmark.main([*smallest, *folders])
    rows = json.loads((tmp_path / "gateway.json").read_text("utf-8"))["rows"]
    assert [row["at_once"] for row in rows] == [*[1, 2] * 4, 3]
    assert all(row["p50_ms"] > 0 for row in rows)
    page = (tmp_path / "page.md").read_text("utf-8")
    for what in ("GET /v1/jobs/{id}, queued", "POST /v1/jobs", "event of a watched job"):
        assert f"| SQLite | {what} |" in page
    assert (tmp_path / "gateway.png").stat().st_size > 1000


def test_without_a_cuda_device_one_line_says_so(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(SystemExit, match="skipped, for there is no CUDA device"):
        run("cuda_gathering", tmp_path)
    assert not list(tmp_path.iterdir())
