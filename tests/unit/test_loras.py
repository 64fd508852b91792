"""Adapters in a model that jobs share: each job has its own, and those without are as if there were none."""

import gc
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import JobStopped, ModelFileMissing, ModelNotHere, ModelUnavailable
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import FoundAddOn, Handler, LoadSpec
from diffusers import StableDiffusionPipeline
from peft.tuners.lora import LoraLayer

from tests.checkpoints import lora
from tests.desks import PlainDesk
from tests.gathering import batcher, together
from tests.tiny_models import save_stable_diffusion, stable_diffusion
from tests.tiny_pipelines import stable_diffusion_xl

# peft is not sure that several adapters are meant; here and upstream they are.
pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning")
SETS: list[list[dict[str, Any]]] = [
    [],
    [{"name": "first"}],
    [{"name": "first", "weight": 0.5}],
    [{"name": "second.of_the-two"}],
    [{"name": "second.of_the-two", "weight": -1.0}, {"name": "first", "weight": 2.0}],
    [{"name": "first", "weight": 0.0}],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    save_stable_diffusion(folder / "model")
    lora.save(folder / "first", stable_diffusion(), seed=1)
    lora.save(folder / "second", stable_diffusion(), seed=2, text=False)
    return folder


def found(name: str, folder: Path, weight_name: str | None = None) -> FoundAddOn:
    entry = AddOn(
        name=name,
        type="lora",
        family="stable-diffusion",
        source=Source(folder=folder),
        weight_name=weight_name,
    )
    return FoundAddOn(entry, folder)


def handler(folder: Path, calls: ModelExecutor) -> Handler:
    model = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder / "model"))
    place = LoadSpec(model, folder / "model", torch.device("cpu"), torch.float32, calls, ("text-to-image",))
    (folder / "empty").mkdir(exist_ok=True)
    add_ons = {
        "first": found("first", folder / "first"),
        "second.of_the-two": found("second.of_the-two", folder / "second"),
        "of-a-larger-one": found("of-a-larger-one", folder / "larger"),
        "not-named": found("not-named", folder / "empty"),
    }
    return load(replace(place, add_ons=add_ons)).handlers["text-to-image"]


def request(loras: list[dict[str, Any]]) -> TextToImageRequest:
    return TextToImageRequest.model_validate(
        {
            "prompt": "a red circle",
            "width": 32,
            "height": 32,
            "num_inference_steps": 3,
            "guidance_scale": 2.0,
            "seed": 5,
            "loras": loras,
        }
    )


def pixels(of: Handler, loras: list[dict[str, Any]]) -> np.ndarray:
    made = of.perform(request(loras), PlainDesk())
    return np.asarray(made["images"][0].pil(), dtype=float)


def by_diffusers(folder: Path, loras: list[dict[str, Any]]) -> np.ndarray:
    pipeline: Any = StableDiffusionPipeline.from_pretrained(folder / "model")
    pipeline.set_progress_bar_config(disable=True)
    for choice in loras:
        file = folder / choice["name"].split(".")[0]
        pipeline.load_lora_weights(file, adapter_name=choice["name"].replace(".", "_"))
    if loras:
        names = [choice["name"].replace(".", "_") for choice in loras]
        pipeline.set_adapters(names, [choice.get("weight", 1.0) for choice in loras])
    asked = request([])
    generator = torch.Generator().manual_seed(5)
    floats = pipeline(
        asked.prompt,
        width=32,
        height=32,
        num_inference_steps=3,
        guidance_scale=2.0,
        generator=generator,
        output_type="np",
    ).images[0]
    return np.asarray(floats) * 255


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[np.ndarray]:
    return [by_diffusers(folder, loras) for loras in SETS]


def test_the_sets_give_other_pictures(expected: list[np.ndarray]) -> None:
    for index, one in enumerate(expected[:-1]):
        for other in expected[:index]:
            assert np.abs(one - other).mean() > 1


@pytest.mark.parametrize("order", [1, -1], ids=["forth", "back"])
def test_one_after_another_each_job_has_its_own(folder: Path, expected: list[np.ndarray], order: int) -> None:
    served = handler(folder, SerialExecutor())
    for loras, upstream in list(zip(SETS, expected, strict=True))[::order]:
        assert np.abs(pixels(served, loras) - upstream).max() <= 0.6  # half a level is the rounding to 8 bits


def test_at_once_each_job_has_its_own_and_equal_sets_share_runs(
    folder: Path, expected: list[np.ndarray]
) -> None:
    shared: list[int] = []
    with batcher(on_batch=lambda ran: shared.append(len(ran.batch.calls))) as calls:
        served = handler(folder, calls)
        jobs: list[Callable[[], Any]] = [lambda loras=loras: pixels(served, loras) for loras in SETS * 2]  # type: ignore[misc]
        made = together(calls, jobs)
    assert max(shared) > 1
    for picture, upstream in zip(made, expected * 2, strict=True):
        assert np.abs(picture - upstream).max() <= 0.6


def test_an_adapter_of_another_model_fails_alone(folder: Path, expected: list[np.ndarray]) -> None:
    lora.save(folder / "larger", stable_diffusion_xl(), seed=3)
    served = handler(folder, SerialExecutor())
    before = pixels(served, SETS[1])
    with pytest.raises(ModelUnavailable, match="of-a-larger-one does not fit tiny"):
        pixels(served, [{"name": "of-a-larger-one"}])
    assert np.array_equal(pixels(served, SETS[1]), before)
    assert np.abs(pixels(served, []) - expected[0]).max() <= 0.6


class Left(SerialExecutor):
    """A job leaves at the moment at which what it waited for is done."""

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        answer = super().call(options, function, *args, **kwargs)
        if args and args[0] == "first":
            raise JobStopped("canceled")
        return answer


def test_an_adapter_whose_job_left_is_there_for_the_next(folder: Path, expected: list[np.ndarray]) -> None:
    served = handler(folder, Left())
    with pytest.raises(JobStopped):
        pixels(served, SETS[1])
    assert np.abs(pixels(served, SETS[1]) - expected[1]).max() <= 0.6


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("nowhere", ModelNotHere, "brushwork models pull nowhere"),
        ("not-named", ModelFileMissing, "there is no file"),
    ],
)
def test_an_adapter_that_is_not_here(folder: Path, name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        pixels(handler(folder, SerialExecutor()), [{"name": name}])


@pytest.mark.parametrize("gathering", [True, False], ids=["batcher", "direct"])
@pytest.mark.parametrize("switch", ["set_scale", "enable_adapters"])
def test_adapters_that_are_switched_half_way_are_met_by_nobody_else(
    folder: Path, expected: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, switch: str, gathering: bool
) -> None:
    upstream, errors = getattr(LoraLayer, switch), iter([MemoryError()])

    def fails_once(layer: Any, *args: Any, **kwargs: Any) -> None:
        upstream(layer, *args, **kwargs)
        is_due = kwargs.get("enabled") is False or switch == "set_scale"
        if is_due and (error := next(errors, None)):
            raise error

    with batcher() as gathered:
        served = handler(folder, gathered if gathering else SerialExecutor())
        pixels(served, [])
        monkeypatch.setattr(LoraLayer, switch, fails_once)
        for asked in (1, 0, 0, 1):
            with suppress(MemoryError):
                assert np.abs(pixels(served, SETS[asked]) - expected[asked]).max() <= 0.6
        assert next(errors, None) is None


def test_a_model_that_made_room_is_not_kept_for_its_adapters(folder: Path) -> None:
    model = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder / "model"))
    with batcher() as calls:
        place = LoadSpec(
            model, folder / "model", torch.device("cpu"), torch.float32, calls, ("text-to-image",)
        )
        loaded = load(replace(place, add_ons={"first": found("first", folder / "first")}))
        kept = [weakref.ref(module) for module in loaded.modules]
        for asked in (1, 0):
            pixels(loaded.handlers["text-to-image"], SETS[asked])
        # What ran last may still be at hand.
        calls.call(CallOptions(), torch.sum, torch.ones(1))
        del loaded
        gc.collect()
        assert [module() is None for module in kept] == [True] * len(kept)
