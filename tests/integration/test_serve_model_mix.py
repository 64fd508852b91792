"""Four models in a memory for two, and callers of all four that never let up: one worker, a real queue."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from tests.servers import RedisServer
from tests.serving import WAIT_S, Serving, serving
from tests.tiny_models import save_classifier

KIND = "image-classification"
NAMES = ("one", "two", "three", "four")
ROOM = 2
STAY_S = 0.5
MIN_LOADS = 12
_ENTRY = '[models.{name}]\nfamily = "torchvision-classifier"\nsource = {{ folder = "{folder}" }}\n'
_READY = re.compile(r"Model (\w+) is ready on .*; it takes ([\d.]+) MiB")
_GOES = re.compile(r"Model (\w+) left the device")


@dataclass
class Mix:
    """What became of the callers' jobs and of the models."""

    log: Path
    began_s: float
    attempts: list[int] = field(default_factory=list)
    took_s: float = 0.0

    def loads(self) -> list[str]:
        """Names of models, as they were loaded."""
        return [name for name, _ in _READY.findall(self.log.read_text())]

    def residents(self) -> list[set[str]]:
        """The models on the shelf after each change."""
        there: set[str] = set()
        seen = []
        for line in self.log.read_text().splitlines():
            if ready := _READY.search(line):
                there = there | {ready[1]}
            elif goes := _GOES.search(line):
                there = there - {goes[1]}
            seen.append(there)
        return seen


@pytest.fixture(scope="module")
def mix(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Mix:
    folder = tmp_path_factory.mktemp("mix")
    classifier = save_classifier(folder / "classifier")
    size = (classifier / "model.safetensors").stat().st_size
    catalogue = folder / "catalogue.toml"
    catalogue.write_text("".join(_ENTRY.format(name=name, folder=classifier) for name in NAMES))
    room = {"model_memory_gb": (ROOM + 0.5) * size / 2**30, "model_stay_s": STAY_S}
    with (
        serving(catalogue, redis_server, folder, kinds=KIND, models=",".join(NAMES), **room) as served,
        ThreadPoolExecutor(len(NAMES)) as callers,
    ):
        mix = Mix(served.worker.log, time.monotonic())
        for caller in [callers.submit(_call, served, name, mix) for name in NAMES]:
            caller.result(WAIT_S)
        mix.took_s = time.monotonic() - mix.began_s
    return mix


_NOTING = threading.Lock()


def _call(serving: Serving, name: str, mix: Mix) -> None:
    """Ask for one picture after the other, until there were enough loads."""
    picture = Image.new("RGB", (64, 64), "red")
    while len(mix.loads()) < MIN_LOADS:
        job = serving.one(KIND, model=name, image=picture)
        with _NOTING:
            mix.attempts.append(job.attempt)


def test_every_job_succeeds_in_its_first_attempt(mix: Mix) -> None:
    assert len(mix.attempts) >= MIN_LOADS
    assert set(mix.attempts) == {1}


def test_there_is_never_more_on_the_shelf_than_fits(mix: Mix) -> None:
    numbers = [len(there) for there in mix.residents()]
    assert max(numbers) == ROOM


def test_loads_are_bounded_by_the_stay(mix: Mix) -> None:
    assert MIN_LOADS <= len(mix.loads()) <= ROOM * (mix.took_s / STAY_S + 1) + ROOM


def test_no_model_is_passed_over(mix: Mix) -> None:
    loads = mix.loads()
    for name in NAMES:
        turns = [number for number, loaded in enumerate(loads) if loaded == name]
        gaps = [later - turn for turn, later in pairwise(turns)]
        assert len(turns) >= MIN_LOADS // len(NAMES) - 1, name
        assert max(gaps) <= 2 * len(NAMES), (name, loads)
