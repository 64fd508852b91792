"""Pictures edited by an instruction equal those of the stock pipelines, alone and beside seven other jobs."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue, Model, Source
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import Handler, LoadSpec
from brushwork_workers.models.description.pipeline_description import describe
from brushwork_workers.models.listing import FolderListing
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus
from PIL import Image

from tests.checkpoints.editors import EDITORS, QUICK
from tests.checkpoints.painters import picture
from tests.desks import PlainDesk
from tests.equality import assert_equals
from tests.stops import Going

KIND = "image-editing"
NUM_JOBS = 8
SIDE = 64
# Stock arguments for the pictures and the guidance of a request.
Stock = Callable[[Mapping[str, Any], list[Image.Image]], dict[str, Any]]


MARKS = ("<img><|image_1|></img>", "<img><|image_2|></img>")


def _sized(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"width": request.get("width", SIDE), "height": request.get("height", SIDE)}


STOCK: dict[str, Stock] = {
    "instruct-pix2pix": lambda request, given: {
        "image": given[0],
        "guidance_scale": request["guidance_scale"],
        "image_guidance_scale": request["image_guidance_scale"],
    },
    "flux-kontext": lambda request, given: {
        **_sized(request),
        "image": given[0],
        # The tiny one is distilled, so its pipeline guides by a second call.
        "true_cfg_scale": request["guidance_scale"],
        "negative_prompt": " " if request["guidance_scale"] > 1 else None,
        "max_area": _sized(request)["width"] * _sized(request)["height"],
        "_auto_resize": False,
    },
    "flux-2": lambda request, given: {
        **_sized(request), "image": given, "guidance_scale": request["guidance_scale"],
    },
    "omnigen": lambda request, given: {
        **_sized(request),
        "prompt": f"{' '.join(MARKS[: len(given)])} {request['prompt']}",
        "input_images": given,
        "guidance_scale": request["guidance_scale"],
        "img_guidance_scale": request["image_guidance_scale"],
    },
    "qwen-image-edit": lambda request, given: {
        **_sized(request),
        "image": given[0],
        "true_cfg_scale": request["guidance_scale"],
        "negative_prompt": " " if request["guidance_scale"] > 1 else None,
    },
    "qwen-image-edit-plus": lambda request, given: {
        **_sized(request),
        "image": given,
        "true_cfg_scale": request["guidance_scale"],
        "negative_prompt": " " if request["guidance_scale"] > 1 else None,
    },
}  # fmt: skip
SEVERAL = ("flux-2", "omnigen", "qwen-image-edit-plus")
GUIDED_BY_PICTURE = ("instruct-pix2pix", "omnigen")


def asked(name: str, index: int) -> dict[str, Any]:
    """What a job is asked for: instruction, steps, guidance, seed and pictures differ from job to job."""
    own = {"image_guidance_scale": (1.5, 1.0, 2.0)[index % 3]} if name in GUIDED_BY_PICTURE else {}
    size = {"width": 96, "height": SIDE} if index == 5 and name != "instruct-pix2pix" else {}
    return {
        "prompt": "make it red" if index % 2 else "a star, please",
        "num_inference_steps": 2 + index % 3,
        "guidance_scale": (1.0, 3.0, 5.5)[index % 3],
        "seed": index,
        **own,
        **size,
    }


def pictures_of(name: str, index: int) -> list[Image.Image]:
    """One picture, or two of different sizes."""
    first = picture(SIDE, SIDE, seed=index)
    return [first, picture(96, SIDE, seed=index + 50)] if name in SEVERAL and index % 4 == 3 else [first]


@pytest.fixture
def small_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pipelines of Qwen scale pictures to 64 x 64, instead of to a megapixel, which takes minutes."""
    for module in (pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus):
        scaled = module.calculate_dimensions
        monkeypatch.setattr(
            module, "calculate_dimensions", lambda area, ratio, scaled=scaled: scaled(SIDE * SIDE, ratio)
        )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    saved: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in saved:
            saved[name] = tmp_path_factory.mktemp(name)
            pipeline: Any = EDITORS[name]()
            pipeline.save_pretrained(saved[name])
        return saved[name]

    return folder


def entry(folder: Path) -> Model:
    source, described = Source(folder=folder), describe(FolderListing(folder))
    return Model(name="editor", family="diffusers", source=source, pipeline=described, kinds=(KIND,))


def loaded(model: Model, calls: ModelExecutor) -> Handler:
    folder = model.source.folder or Path("none")
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, calls, (KIND,))
    handler = Loaders()[model.family](spec).handlers[KIND]
    # As a worker does. Here draws from global random generators are noticed.
    with calls.job(Going()):
        handler.warm_up()
    return handler


def performed(
    handler: Handler, model: Model, given: list[Image.Image], **request: Any
) -> tuple[Image.Image, PlainDesk]:
    context = PlainDesk()
    names = [context.give(each) for each in given]
    admitted = admit(KIND, {"images": names, **request}, Catalogue({model.name: model}))
    made = handler.perform(admitted.request, context)
    return made["images"][-1].pil(), context


def run(name: str, model: Model, calls: ModelExecutor, threads: int) -> list[Image.Image]:
    handler = loaded(model, calls)
    start = threading.Barrier(threads)

    def job(index: int) -> Image.Image:
        start.wait()
        with calls.job(Going()):
            return performed(handler, model, pictures_of(name, index), **asked(name, index))[0]

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(job, range(NUM_JOBS)))


def stock_picture(pipeline: Any, name: str, request: Mapping[str, Any], given: list[Image.Image]) -> Any:
    arguments = {
        "prompt": request["prompt"],
        "num_inference_steps": request["num_inference_steps"],
        "generator": torch.Generator().manual_seed(request["seed"]),
        "output_type": "np",
        **STOCK[name](request, given),
    }
    # OmniGen draws the latents of its pictures from the global generator.
    torch.manual_seed(request["seed"])
    return pipeline(**arguments).images[0]


@pytest.mark.parametrize("name", EDITORS)
def test_equals_the_stock_pipeline_alone_and_beside_seven_others(
    name: str, folders: Callable[[str], Path], small_areas: None, thorough: bool
) -> None:
    if name not in QUICK and not thorough:
        pytest.skip("takes long; --thorough tries it")
    model = entry(folders(name))
    stock: Any = diffusers.DiffusionPipeline.from_pretrained(folders(name))
    stock.set_progress_bar_config(disable=True)
    expected = [
        stock_picture(stock, name, asked(name, index), pictures_of(name, index)) for index in range(NUM_JOBS)
    ]
    for made, floats in zip(run(name, model, SerialExecutor(), 1), expected, strict=True):
        assert_equals(made, floats)
    runs: list[BatchStats] = []
    calls = Batcher(64, 10**9, runs.append)
    try:
        together = run(name, model, calls, NUM_JOBS)
    finally:
        calls.close()
    assert max(len(ran.batch.calls) for ran in runs) > 1
    for made, floats in zip(together, expected, strict=True):
        assert_equals(made, floats)
