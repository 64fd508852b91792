"""A real ImageNet network through the queue answers as the stock pipeline does, on every photograph."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import run_command
from tests.imagenet_network import photographs, save_network
from tests.servers import RedisServer
from tests.serving import Serving, serving

NAME = "lite0"
# By transformers.pipeline on the same folder: picture, first class, score.
KNOWN = {
    "chelsea.png": ("tiger cat", 0.39),
    "coffee.png": ("espresso", 0.95),
    "camera.png": ("tripod", 0.94),
    "flower.jpg": ("daisy", 0.32),
    "china.jpg": ("palace", 0.30),
    "motorcycle_left.png": ("moped", 0.54),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_network(tmp_path_factory.mktemp("imagenet") / "lite0")


@pytest.fixture
def served(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Serving]:
    catalogue = tmp_path / "own.toml"
    monkeypatch.setenv("BRUSHWORK_CATALOGUE", str(catalogue))
    answer = run_command(capsys, "models", "add", NAME, "--folder", str(folder))
    assert answer.status == 0, answer.err
    assert "of the family image-classifier" in answer.err
    redis = RedisServer(tmp_path).start()
    try:
        with serving(catalogue, redis, tmp_path, kinds="image-classification", models=NAME) as running:
            yield running
    finally:
        redis.stop()


def test_the_first_class_is_that_of_the_stock_pipeline_on_every_photograph(
    served: Serving, folder: Path
) -> None:
    from transformers import pipeline

    pictures = photographs()
    assert len(pictures) >= 29
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stock = pipeline("image-classification", str(folder), device="cpu")
        expected = {name: stock(picture)[0] for name, picture in pictures.items()}
    for name, (label, score) in KNOWN.items():
        assert expected[name]["label"].split(",")[0] == label
        assert expected[name]["score"] == pytest.approx(score, abs=0.01)
    kind = "image-classification"
    jobs = served.all([{"kind": kind, "model": NAME, "image": picture} for picture in pictures.values()])
    for name, job in zip(pictures, jobs, strict=True):
        first = job.result.predictions[0]
        assert first.label == expected[name]["label"], name
        assert first.score == pytest.approx(expected[name]["score"], abs=1e-3), name
