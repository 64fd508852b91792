"""Swin2SR: sizes of all sorts, tiles, limits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Limits, Model, Source
from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.kinds.image_upscaling import ImageUpscalingRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.upscaling.swin2sr import Swin2SRUpscaler
from brushwork_workers.interface import LoadSpec
from PIL import Image

from tests.checkpoints.swin2sr import save
from tests.desks import PlainDesk


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> LoadSpec:
    folder = save(tmp_path_factory.mktemp("swin2sr"))
    model = Model(name="larger", family="swin2sr", source=Source(folder=folder), limits=Limits(max_side=200))
    return LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor())


def enlarged(handler: Swin2SRUpscaler, context: PlainDesk, size: tuple[int, int]) -> Image.Image:
    picture = Image.effect_noise(size, 90).convert("RGB")
    result = handler.perform(ImageUpscalingRequest(image=context.give(picture)), context)
    assert result["scale"] == 2.0
    made: Image.Image = result["image"].pil()
    return made


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (8, 8), (31, 17), (100, 5)])
def test_every_size_becomes_exactly_twice_as_large(place: LoadSpec, size: tuple[int, int]) -> None:
    made = enlarged(Swin2SRUpscaler(place), PlainDesk(), size)
    assert made.size == (2 * size[0], 2 * size[1])


def test_a_large_picture_is_made_in_tiles_that_agree_but_for_the_seam(place: LoadSpec) -> None:
    context, whole_desk = PlainDesk(), PlainDesk()
    # Of a fixed seed: in one of some thousand random pictures, the tiles agree at the seam as well.
    noise = np.random.default_rng(1).integers(0, 256, (60, 96, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    made = [
        Swin2SRUpscaler(place, side).perform(ImageUpscalingRequest(image=at.give(picture)), at)["image"].pil()
        for side, at in ((64, context), (512, whole_desk))
    ]
    assert context.steps == [(1, 2), (2, 2)]
    assert whole_desk.steps == [(1, 1)]
    assert made[0].size == made[1].size == (192, 120)
    tiled, whole = (np.asarray(picture, dtype=int) for picture in made)
    differs = np.abs(tiled - whole).max(axis=(0, 2)) > 1
    # The seam is at 48 of 96, and two layers look across it for as far as their windows reach.
    assert differs[80:112].any()
    assert not differs[:80].any()
    assert not differs[112:].any()


def test_a_picture_too_large_is_refused_with_the_size_that_is_not(place: LoadSpec) -> None:
    context = PlainDesk()
    with pytest.raises(InvalidImage, match="at most 100 pixels per side"):
        enlarged(Swin2SRUpscaler(place), context, (101, 8))


def test_pixels_are_bounded_as_sides_are(place: LoadSpec) -> None:
    limited = place.model.model_copy(update={"limits": Limits(max_side=200, max_pixels_per_job=1600)})
    with pytest.raises(InvalidImage, match="at most 400 pixels"):
        enlarged(Swin2SRUpscaler(replace(place, model=limited)), PlainDesk(), (21, 20))
