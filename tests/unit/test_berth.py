"""Modules that take turns on the device: one is there, and what it answers stays the same."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.device.module_offload import ModuleOffload
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import LoadedModules, LoadSpec
from brushwork_workers.model_cache.cpu_cache import CpuCache
from brushwork_workers.model_cache.footprint import module_bytes
from brushwork_workers.model_cache.model_loader import ModelLoader
from torch import nn

from tests.desks import PlainDesk
from tests.stops import Going
from tests.tiny_models import save_stable_diffusion

CPU = torch.device("cpu")


class Traveller(nn.Linear):
    """Notes where it is sent, and stays: there is no other device here."""

    def __init__(self, name: str, log: list[str], refuses: bool = False) -> None:
        super().__init__(2, 2)
        self.name, self.log, self.refuses = name, log, refuses

    def to(self, *args: Any, **kwargs: Any) -> Self:
        if self.refuses:
            self.refuses = False
            raise torch.OutOfMemoryError("full")
        self.log.append(f"{self.name} to {args[0]}")
        return self


@pytest.fixture
def log() -> list[str]:
    return []


def sent(log: list[str]) -> list[str]:
    found, log[:] = list(log), []
    return found


def test_who_is_called_comes_and_who_was_there_leaves(log: list[str]) -> None:
    offload, one, other = ModuleOffload(CPU), Traveller("one", log), Traveller("other", log)
    offload.add([one, other])
    assert sent(log) == ["one to cpu", "other to cpu"]
    one(torch.ones(1, 2))
    one(torch.ones(1, 2))
    assert sent(log) == ["one to cpu"]
    other(torch.ones(1, 2))
    assert sent(log) == ["one to cpu", "other to cpu"]


def test_one_that_did_not_fit_is_brought_by_its_next_call(log: list[str]) -> None:
    offload, module = ModuleOffload(CPU), Traveller("one", log)
    offload.add([module])
    module.refuses = True
    with pytest.raises(torch.OutOfMemoryError):
        module(torch.ones(1, 2))
    sent(log)
    module(torch.ones(1, 2))
    assert sent(log) == ["one to cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion(tmp_path_factory.mktemp("tiny-sd"))


def entry(folder: Path, placement: str) -> Model:
    return Model.model_validate(
        {
            "name": "tiny",
            "family": "stable-diffusion",
            "source": Source(folder=folder),
            "placement": placement,
            "kinds": ("text-to-image",),
            "defaults": {"width": 32, "height": 32},
        }
    )


def loaded(folder: Path, placement: str, calls: ModelExecutor) -> LoadedModules:
    return load(LoadSpec(entry(folder, placement), folder, CPU, torch.float32, calls, ("text-to-image",)))


def picture(of: LoadedModules, seed: int) -> bytes:
    words = {"prompt": "a star", "width": 32, "height": 32, "num_inference_steps": 3, "guidance_scale": 2.0}
    request = TextToImageRequest.model_validate({**words, "seed": seed, "clip_skip": 1})
    image = of.handlers["text-to-image"].perform(request, PlainDesk())["images"][0]
    data: bytes = image.bytes()
    return data


def test_pictures_are_the_same_and_modules_are_called_by_many(folder: Path) -> None:
    usual, turns = (loaded(folder, placement, SerialExecutor()) for placement in ("auto", "model_offload"))
    assert all(hasattr(module, "_hf_hook") for module in turns.modules)
    expected = [picture(usual, seed) for seed in range(6)]
    assert [picture(turns, seed) for seed in range(6)] == expected
    calls = Batcher(64, 10**9)
    gathered = loaded(folder, "model_offload", calls)

    def job(seed: int) -> bytes:
        # Alone in each run, for in shared ones sums round otherwise.
        with calls.job(Going(), alone=True):
            return picture(gathered, seed)

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(job, range(6))) == expected
    calls.close()


def test_it_takes_as_much_as_its_largest_module(folder: Path) -> None:
    loader = ModelLoader(Loaders(), CPU, SerialExecutor(), find=lambda entry: folder)
    whole, turns = (entry(folder, placement) for placement in ("auto", "model_offload"))
    assert loader.size_bytes(turns) < loader.size_bytes(whole)
    largest = max(module_bytes([module]) for module in loaded(folder, "auto", SerialExecutor()).modules)
    assert loader.load(turns).size_bytes == largest == pytest.approx(loader.size_bytes(turns), rel=0.01)


def test_the_attic_keeps_none_whose_modules_come_and_go_by_themselves(folder: Path) -> None:
    served = ModelLoader(Loaders(), CPU, SerialExecutor(), find=lambda entry: folder).load(
        entry(folder, "model_offload")
    )
    assert not CpuCache(2**40, torch.device("meta")).put(served)
