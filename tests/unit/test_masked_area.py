"""Inpainting with eight latent channels: the crop, the generated cells, and pixels that never change."""

from typing import Any

import numpy as np
import pytest
import torch
from brushwork_workers.families.known_cells.masked_area import MaskedArea
from brushwork_workers.families.known_cells.pipeline import KnownCellsInpaintPipeline, centred
from brushwork_workers.pocket import WEIGHTS
from diffusers import StableDiffusionPipeline
from PIL import Image

GREEN, BEIGE = (40, 170, 70), (225, 205, 170)
SIDE, CELL = 64, 8
Box = tuple[int, int, int, int]


def masked(box: Box, size: tuple[int, int] = (64, 64)) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def area(box: Box, size: tuple[int, int] = (64, 64)) -> MaskedArea:
    picture = Image.new("RGB", size, BEIGE)
    picture.paste(GREEN, (box[0] + 2, box[1] + 2, box[2] - 2, box[3] - 2))
    return MaskedArea.of(picture, masked(box, size), SIDE, CELL)


@pytest.mark.parametrize(
    ("box", "size", "crop"),
    [
        ((17, 17, 47, 47), (64, 64), (2, 2, 62, 62)),
        ((0, 0, 24, 24), (64, 64), (-12, -12, 36, 36)),
        ((0, 0, 64, 64), (64, 64), (0, 0, 64, 64)),
        ((32, 0, 64, 64), (64, 64), (16, 0, 80, 64)),
        ((100, 100, 190, 160), (256, 256), (85, 70, 205, 190)),
    ],
)
def test_the_crop_is_a_square_around_the_mask(box: Box, size: tuple[int, int], crop: Box) -> None:
    assert area(box, size).box == crop


def test_a_mask_takes_the_middle_cells_and_the_model_sees_the_surroundings_alone() -> None:
    middle = area((16, 16, 48, 48))
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[2:6, 2:6] = True
    assert torch.equal(middle.cells[0, 0], expected)
    assert set(middle.plain_crop().get_flattened_data()) == {BEIGE}
    assert GREEN in middle.original_crop().get_flattened_data()


def test_of_two_masked_places_the_larger_one_is_chosen() -> None:
    mask = masked((2, 2, 12, 12))
    mask.paste(255, (24, 24, 56, 56))
    chosen = MaskedArea.of(Image.new("RGB", (64, 64), BEIGE), mask, SIDE, CELL)
    assert all(abs(found - wanted) <= 4 for found, wanted in zip(chosen.box, (8, 8, 72, 72), strict=True))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red star", "a red star in the center"),
        ("a red star.", "a red star in the center"),
        ("a red star on a white background", "a red star in the center on a white background"),
        ("红色星形", "中间的红色星形"),
        ("白色背景上的大红色星形", "白色背景上中间的大红色星形"),
    ],
)
def test_the_object_is_asked_for_in_the_middle_of_the_crop(prompt: str, expected: str) -> None:
    assert centred(prompt) == expected


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (200, 120)])
def test_only_masked_pixels_are_pasted(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    before = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    mask = Image.fromarray((rng.random((size[1], size[0])) < 0.3).astype(np.uint8) * 255)
    chosen = MaskedArea.of(Image.fromarray(before), mask, SIDE, CELL)
    after = np.asarray(chosen.pasted(Image.new("RGB", (SIDE, SIDE), "red")))
    inside = np.asarray(mask) == 255
    assert np.array_equal(after[~inside], before[~inside])
    assert (after[inside] == (255, 0, 0)).all()


@pytest.fixture(scope="module")
def pipeline() -> Any:
    stock = StableDiffusionPipeline.from_pretrained(WEIGHTS / "pocket-diffusion")
    pipeline = KnownCellsInpaintPipeline(**stock.components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def run(pipeline: Any, picture: Image.Image, mask: Image.Image, **options: Any) -> list[Image.Image]:
    numbers = [torch.Generator().manual_seed(seed) for seed in range(options.get("num_images_per_prompt", 1))]
    arguments = {"num_inference_steps": 4, "guidance_scale": 2.0, "generator": numbers, **options}
    images: list[Image.Image] = pipeline("a red star", picture, mask, **arguments).images
    return images


def test_the_denoiser_sees_known_cells_without_noise(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    unet = pipeline.unet
    forward = unet.forward

    def noted(sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(sample)
        return forward(sample, *args, **kwargs)

    monkeypatch.setattr(unet, "forward", noted)
    run(pipeline, Image.new("RGB", (64, 64), BEIGE), masked((32, 0, 64, 64)))
    assert len(seen) == 4
    assert all(torch.equal(sample[..., :2], seen[0][..., :2]) for sample in seen)
    assert not torch.equal(seen[0][..., 2:6], seen[1][..., 2:6])
    assert pipeline.unet is unet


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_pictures_differ_by_seed_in_the_mask_alone(pipeline: Any, strength: float) -> None:
    before = Image.effect_noise((64, 64), 30).convert("RGB")
    box = (10, 20, 50, 60)
    first, second = run(pipeline, before, masked(box), strength=strength, num_images_per_prompt=2)
    assert first.crop(box).tobytes() != second.crop(box).tobytes()
    for after in (first, second):
        outside = np.asarray(masked(box)) == 0
        assert np.array_equal(np.asarray(after)[outside], np.asarray(before)[outside])
