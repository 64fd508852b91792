"""What a fake worker makes where a test says nothing of it: small and plausible, and always the same."""

import hashlib
from collections.abc import Callable
from typing import Any

from brushwork_schemas.job import Job
from PIL import Image

LABELS = (("circle", 0.7), ("square", 0.2), ("triangle", 0.1))
CAPTIONS = {"en": "a red circle", "zh": "一个红色的圆"}
CLASSES = ("background", "circle")
PALETTE = (0, 0, 0, 220, 40, 40)


def sample(job: Job, picture: Callable[[str], Image.Image]) -> dict[str, Any]:
    """The fields of a result for this job, pictures as PIL images.

    Args:
        job: Which one.
        picture: Gives a stored picture by its name.
    """
    return _SAMPLES[job.kind](job.request, picture)


def _pictures(request: Any, picture: Callable[[str], Image.Image]) -> dict[str, Any]:
    seeds = [request.seed + number for number in range(request.num_images_per_prompt)]
    return {"images": [_plain(request, seed) for seed in seeds]}


def _plain(request: Any, seed: int) -> Image.Image:
    """One colour, of the words and the seed."""
    drawn = hashlib.sha256(f"{seed} {request.prompt}".encode()).digest()
    return Image.new("RGB", (request.width, request.height), tuple(drawn[:3]))


def _caption(request: Any, picture: Callable[[str], Image.Image]) -> dict[str, Any]:
    return {"generated_text": f"{request.prompt}{CAPTIONS[request.language]}"}


def _classes(request: Any, picture: Callable[[str], Image.Image]) -> dict[str, Any]:
    found = LABELS[: request.top_k]
    return {"predictions": [{"label": label, "score": score} for label, score in found]}


def _mask(request: Any, picture: Callable[[str], Image.Image]) -> dict[str, Any]:
    """The middle of the picture is a circle's."""
    given = picture(request.image)
    width, height = given.size
    mask = Image.new("P", given.size, 0)
    mask.putpalette(PALETTE)
    mask.paste(1, (width // 4, height // 4, width - width // 4, height - height // 4))
    share = mask.histogram()[1] / (width * height)
    overlay = Image.blend(given.convert("RGB"), mask.convert("RGB"), 0.5) if request.overlay else None
    areas = {name: area for name, area in zip(CLASSES, (1 - share, share), strict=True) if area}
    return {"mask": mask, "overlay": overlay, "labels": CLASSES, "areas": areas}


_SAMPLES: dict[str, Callable[[Any, Callable[[str], Image.Image]], dict[str, Any]]] = {
    "text-to-image": _pictures,
    "image-to-text": _caption,
    "image-classification": _classes,
    "image-segmentation": _mask,
}
