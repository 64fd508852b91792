"""The accuracy of the pocket models on vague prompts, in inpainting, in upscaling and on foreign drawings.

python -m benchmarks.pocket_editing [--count 50] [--seed 77]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from brushwork_workers.families.known_cells.pipeline import KnownCellsInpaintPipeline
from brushwork_workers.pocket import WEIGHTS
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image
from transformers import Swin2SRForImageSuperResolution, Swin2SRImageProcessor

from benchmarks.pocket_cells import CELLS, WRITERS, Figures, descriptions
from benchmarks.pocket_models import load_torchvision, prepare
from benchmarks.pocket_paintings import Painting, paint
from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import CHINESE, Description, sample_full
from recipes.pocket.scenes.staging import WIDE, stage
from tests.pixel_judge import COLOURS, all_right, background_rgb, judge
from tests.second_renderer import random_drawing, render

STEPS, GUIDANCE = 12, 2.0
_INPAINTED = ("empty", "replaced", "beside")
_SCENES = {"one object": 1, "two objects": 2}


def shows(picture: Image.Image | NDArray[np.uint8], shape: str) -> bool:
    """Return whether a picture shows a shape in any colour."""
    return any(all_right(judge(picture, Description(((colour, shape),)))) for colour in COLOURS)


def without_colour(prompt: str, description: Description) -> str:
    """Return a prompt of one object without its colour: `a red star` becomes `a star`."""
    colour = description.pairs[0][0]
    text = prompt.replace("an orange", "a orange").replace(f"{colour} ", "", 1)
    return text.replace(CHINESE[colour], "", 1)


def measure_vague(folder: Path, count: int, seed: int) -> Figures:
    """Share of right pictures of prompts that name only colour and shape, or only a shape."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    rng = np.random.default_rng(seed)
    wanted = [Description(sample_full(1, rng).pairs) for _ in range(count)]
    figures = {}
    for language, write in WRITERS.items():
        coloured = [write(d) for d in wanted]
        bare = [without_colour(text, d) for text, d in zip(coloured, wanted, strict=True)]
        painting = Painting("", STEPS, GUIDANCE)
        right = [
            all_right(judge(picture, d))
            for picture, d in zip(paint(pipeline, coloured, painting, seed), wanted, strict=True)
        ]
        figures[f"colour and shape {language}"] = float(np.mean(right))
        pictures = paint(pipeline, bare, painting, seed)
        right = [shows(picture, d.pairs[0][1]) for picture, d in zip(pictures, wanted, strict=True)]
        figures[f"shape {language}"] = float(np.mean(right))
    return figures


def measure_inpainting(folder: Path, count: int, seed: int) -> Figures:
    """Share of inpainted pictures with the named object in the mask, and with all other pixels unchanged."""
    components = StableDiffusionPipeline.from_pretrained(folder).components
    pipeline = KnownCellsInpaintPipeline(**components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    rng = np.random.default_rng(seed)
    figures: Figures = {}
    for case in _INPAINTED:
        for language, write in WRITERS.items():
            right, unchanged = [], []
            for index in range(count):
                named = Description(sample_full(1, rng).pairs)
                before, mask = _task(case, rng)
                after = pipeline(
                    write(Description(named.pairs)),
                    Image.fromarray(before),
                    Image.fromarray(mask),
                    num_inference_steps=STEPS,
                    guidance_scale=GUIDANCE,
                    generator=torch.Generator().manual_seed(seed * 100_000 + index),
                ).images[0]
                pixels = np.asarray(after)
                inside = np.where(mask[..., None], pixels, background_rgb(before.astype(np.float64))).astype(
                    np.uint8
                )
                right.append(all_right(judge(inside, Description(named.pairs))))
                unchanged.append(np.array_equal(pixels[~mask], before[~mask]))
            figures[f"{case} {language}"] = float(np.mean(right))
            figures[f"{case}, rest unchanged {language}"] = float(np.mean(unchanged))
    return figures


def _task(case: str, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a picture and a mask. The mask is true where an object is wanted.

    Cases: a rectangle on an empty background; the box of an object that another one replaces; the half of a
    picture without the object.
    """
    full = sample_full(1, rng)
    scene = stage(full, WIDE, rng)
    mask = np.zeros((64, 64), dtype=bool)
    if case == "empty":
        scene = world.Scene(scene.background, ())
        height, width = (int(n) for n in rng.integers(20, 65, 2))
        top, left = int(rng.integers(65 - height)), int(rng.integers(65 - width))
        mask[top : top + height, left : left + width] = True
        return world.draw(scene, 64, world.VARIED, rng), mask
    if case == "beside":
        mask[:, 32:] = True
        turns = int(rng.integers(4))
        # The mask is turned, and the object is drawn upright in the other half.
        x, y = ((0.25, 0.5), (0.5, 0.75), (0.75, 0.5), (0.5, 0.25))[turns]
        item = world.SceneObject(scene.objects[0].shape, scene.objects[0].colour, 0.35, x, y)
        picture = world.draw(world.Scene(scene.background, (item,)), 64, world.VARIED, rng)
        return picture, np.ascontiguousarray(np.rot90(mask, turns))
    item = scene.objects[0]
    reach = item.span / 2 + 4 / 64
    rows = slice(max(0, round((item.y - reach) * 64)), min(64, round((item.y + reach) * 64)))
    columns = slice(max(0, round((item.x - reach) * 64)), min(64, round((item.x + reach) * 64)))
    mask[rows, columns] = True
    return world.draw(scene, 64, world.VARIED, rng), mask


def decibels(picture: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of a picture."""
    error = np.square(picture.astype(np.float64) - truth).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@torch.no_grad()
def upscale(model: Swin2SRForImageSuperResolution, picture: Image.Image) -> NDArray[np.uint8]:
    """Return a picture of twice the side, by the stock classes."""
    pixels = Swin2SRImageProcessor(size_divisor=8)(picture, return_tensors="pt")["pixel_values"]
    larger = model(pixel_values=pixels).reconstruction[0, :, : 2 * picture.height, : 2 * picture.width]
    levels: NDArray[np.uint8] = (larger.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return levels


def measure_upscaling(folder: Path, count: int, seed: int) -> Figures:
    """Mean decibels of held-out pictures of 128 pixels from 64 pixels, by the model and by Lanczos."""
    model = Swin2SRForImageSuperResolution.from_pretrained(folder, dtype=torch.float32).eval()
    rng = np.random.default_rng(seed)
    figures: Figures = {}
    for name, num_objects in _SCENES.items():
        cell = CELLS[num_objects - 1]
        for variation, told in ((world.EXACT, "clean"), (world.VARIED, "noisy")):
            ours, lanczos = [], []
            for description in descriptions(cell, count, seed, keep=1.0):
                large = world.draw(stage(description, WIDE, rng), 128, variation, rng)
                small = Image.fromarray(large).resize((64, 64), Image.Resampling.BICUBIC)
                ours.append(decibels(upscale(model, small), large))
                stretched = np.asarray(small.resize((128, 128), Image.Resampling.LANCZOS))
                lanczos.append(decibels(stretched, large))
            figures[f"{name}, {told}"] = float(np.mean(ours))
            figures[f"{name}, {told}, Lanczos"] = float(np.mean(lanczos))
    return figures


@torch.no_grad()
def measure_second_renderer(folder: Path, count: int, seed: int) -> Figures:
    """Share of right classes on drawings of the second renderer, and how well the scores fit.

    Returns:
        `right`; `calibration error`, the mean distance between score and share of right answers in ten bins
        of scores; `score of right` and `score of wrong`, the mean scores of both (0 if there are none);
        `score without a shape`, the mean score on empty pictures and noise.
    """
    model, config = load_torchvision(folder)
    rng = np.random.default_rng(seed)
    drawings = [random_drawing(rng) for _ in range(count)]
    pictures = [render(drawing) for drawing in drawings]
    scores = _best_scores(model, config, pictures)
    right = np.array([config["labels"][i] == d.shape for (i, _), d in zip(scores, drawings, strict=True)])
    best = np.array([score for _, score in scores])
    return {
        "right": float(right.mean()),
        "calibration error": calibration_error(best, right),
        "score of right": float(best[right].mean()) if right.any() else 0.0,
        "score of wrong": float(best[~right].mean()) if not right.all() else 0.0,
        "score without a shape": float(np.mean([s for _, s in _best_scores(model, config, _shapeless(rng))])),
    }


def _shapeless(rng: np.random.Generator) -> list[Image.Image]:
    """Return empty pictures and pictures of noise, half of each."""
    empty = [Image.new("RGB", (64, 64), rgb) for rgb in world.BACKGROUNDS.values()]
    noise = [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in empty]
    return empty + noise


def _best_scores(
    model: Callable[[torch.Tensor], torch.Tensor], config: dict[str, list[str]], pictures: list[Image.Image]
) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for start in range(0, len(pictures), 100):
        scores, classes = model(prepare(pictures[start : start + 100], config)).softmax(1).max(1)
        found += zip(classes.tolist(), scores.tolist(), strict=True)
    return found


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error: the mean over answers of |score - share right| of their bin."""
    bins = np.clip((scores * 10).astype(int), 0, 9)
    gaps = [(bins == n).mean() * abs(scores[bins == n].mean() - right[bins == n].mean()) for n in set(bins)]
    return float(sum(gaps))


def main() -> None:
    """Print the figures of all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="pictures of each row")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    measurements = {
        "pocket-upscaler": measure_upscaling,
        "pocket-classifier": measure_second_renderer,
        "pocket-diffusion, inpainting": measure_inpainting,
        "pocket-diffusion, vague prompts": measure_vague,
    }
    for what, measure in measurements.items():
        folder = options.weights / what.partition(",")[0]
        figures = measure(folder, options.count, options.seed)
        print(f"{what}: {figures}", flush=True)


if __name__ == "__main__":
    main()
