"""LoRA adapters through the queue: each job has its own, equal to diffusers, alone and eight at once."""

from pathlib import Path
from typing import Any

import pytest
from brushwork_schemas.errors import InvalidRequest, UnknownModel

from tests.checkpoints.painters import Direct, picture
from tests.equality import assert_equals
from tests.every_model import ADAPTERS
from tests.serving import Serving

# peft is not sure that several adapters are meant; here and upstream they are.
pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning")
CLASSES = {
    "stable-diffusion": "StableDiffusionPipeline",
    "stable-diffusion-xl": "StableDiffusionXLPipeline",
    "stable-diffusion-3": "StableDiffusion3Pipeline",
    "flux": "FluxPipeline",
    "qwen-image": "QwenImagePipeline",
}
CHOICES: list[list[tuple[str, float]]] = [
    [("pixel", 1.0)],
    [],
    [("ink.v2", 1.0)],
    [("pixel", 0.5), ("ink.v2", 1.5)],
    [("pixel", 1.0)],
    [],
    [("ink.v2", -1.0)],
    [("ink.v2", 1.5), ("pixel", 0.5)],
]


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "painters"


def request(family: str, index: int) -> dict[str, Any]:
    loras = [{"name": f"{family}.{name}", "weight": weight} for name, weight in CHOICES[index]]
    return {"model": family, "prompt": "a red circle", "seed": index // 2, "loras": loras}


def direct(folder: Path, family: str) -> Direct:
    made = Direct(folder / family, CLASSES[family])
    for adapter in ADAPTERS:
        made.pipeline.load_lora_weights(
            folder / f"{family}.{adapter}", adapter_name=adapter.replace(".", "_")
        )
    return made


def adapt(pipeline: Any, choices: list[tuple[str, float]]) -> None:
    """As diffusers' documentation says."""
    if not choices:
        pipeline.disable_lora()
        return
    pipeline.enable_lora()
    pipeline.set_adapters([name.replace(".", "_") for name, _ in choices], [weight for _, weight in choices])


@pytest.mark.parametrize("family", CLASSES)
def test_equals_diffusers(served: Serving, folder: Path, family: str) -> None:
    adapted, plain = direct(folder, family), Direct(folder / family, CLASSES[family])
    asked = [request(family, index) for index in range(len(CHOICES))]
    sent = [{"kind": "text-to-image", **each} for each in asked]
    jobs = [served.one(**sent[1]), served.one(**sent[0]), *served.all(sent)]
    numbers = [1, 0, *range(len(asked))]
    for job, number in zip(jobs, numbers, strict=True):
        adapt(adapted.pipeline, CHOICES[number])
        upstream = adapted if CHOICES[number] else plain
        floats = upstream.pictures(asked[number], width=32, height=32)[0]
        assert_equals(job.result.images[0].pil(), floats)
    by_seed = [jobs[2].result.images[0].sha256, jobs[3].result.images[0].sha256]
    assert by_seed[0] != by_seed[1], "the adapter changes nothing"


def test_adapters_change_other_kinds_too(served: Serving) -> None:
    asked = {"model": "stable-diffusion", "prompt": "a star", "image": picture(), "seed": 1}
    with_it, without = (
        served.one("image-to-image", **asked, loras=loras).result.images[0].sha256
        for loras in ([{"name": "stable-diffusion.pixel"}], [])
    )
    assert with_it != without


def test_an_adapter_has_to_fit_the_family_and_be_there_once(served: Serving) -> None:
    asked = {"model": "flux", "prompt": "a star"}
    with pytest.raises(UnknownModel, match=r"Choose one of: flux\.pixel, flux\.ink\.v2"):
        served.client.submit("text-to-image", **asked, loras=[{"name": "stable-diffusion.pixel"}])
    with pytest.raises(InvalidRequest, match="is listed twice"):
        served.client.submit("text-to-image", **asked, loras=[{"name": "flux.pixel"}] * 2)
