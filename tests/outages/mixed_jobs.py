"""Jobs of all kinds that the shipped models serve, each with inputs of its own."""

from typing import Any

from PIL import Image, ImageDraw

from tests.archives import zipped
from tests.drawn import drawn, png
from tests.trainings import colours

# Of twenty jobs, so many are of each kind; the last one is a training.
SHARES = {
    "text-to-image": 5,
    "image-to-image": 3,
    "inpainting": 2,
    "image-upscaling": 3,
    "image-to-text": 2,
    "image-classification": 2,
    "image-segmentation": 2,
    "image-classification-training": 1,
}
KINDS = tuple(SHARES)
MODELS = (
    *("pocket-diffusion", "pocket-upscaler", "pocket-captioner"),
    *("pocket-classifier", "pocket-segmenter", "simple_cnn"),
)
NUM_STEPS = 8


def mixed(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Requests, the kinds well mixed.

    Args:
        count: How many.
        first: Seed of the first one; no two seeds give the same picture.
    """
    order = sorted(
        ((number + 0.5) / share, kind) for kind, share in SHARES.items() for number in range(share)
    )
    kinds = [kind for _, kind in order]
    return [_request(kinds[number % len(kinds)], first + number) for number in range(count)]


def _request(kind: str, seed: int) -> dict[str, Any]:
    asked: dict[str, Any] = {"kind": kind}
    if kind == "image-classification-training":
        dataset = zipped(colours(4, first=10_000 * seed))
        small = {"image_size": 16, "num_train_epochs": 4, "per_device_train_batch_size": 4}
        return asked | {"dataset": dataset, "seed": seed, **small}
    if kind != "text-to-image":
        asked["image"] = png(drawn(seed).resize((64, 64)))
    if kind == "inpainting":
        asked["mask_image"] = _mask()
    if kind in ("text-to-image", "image-to-image", "inpainting"):
        asked |= {"prompt": "a red circle", "seed": seed, "num_inference_steps": NUM_STEPS}
    return asked


def _mask() -> bytes:
    mask = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(mask).rectangle((16, 16, 48, 48), fill=255)
    return png(mask)
