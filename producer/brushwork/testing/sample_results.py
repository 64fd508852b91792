"""What a fake worker makes where a test says nothing of it: small and plausible, and always the same."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from brushwork_schemas.job import Job
from PIL import Image, ImageDraw

LABELS = (("circle", 0.7), ("square", 0.2), ("triangle", 0.1))
CAPTIONS = {"en": "a red circle", "zh": "一个红色的圆"}
CLASSES = ("background", "circle")
PALETTE = (0, 0, 0, 220, 40, 40)
SCALE = 2

Pictures = Callable[[str], Image.Image]


def sample(job: Job, picture: Pictures) -> dict[str, Any]:
    """The fields of a result for this job, pictures as PIL images, other files as bytes and media type.

    Args:
        job: Which one.
        picture: Gives a stored picture by its name.
    """
    return _SAMPLES[job.kind](job, picture)


def _pictures(job: Job, picture: Pictures) -> dict[str, Any]:
    request = job.request
    seeds = [request.seed + number for number in range(request.num_images_per_prompt)]
    size = (request.width, request.height)
    if None in size:
        # As large as the picture that it begins with.
        size = picture(request.image).size
    return {"images": [_plain(request.prompt, seed, size) for seed in seeds]}


def _plain(words: str, seed: int, size: tuple[int, int]) -> Image.Image:
    """One colour, of the words and the seed."""
    drawn = hashlib.sha256(f"{seed} {words}".encode()).digest()
    return Image.new("RGB", size, tuple(drawn[:3]))


def _larger(job: Job, picture: Pictures) -> dict[str, Any]:
    given = picture(job.request.image).convert("RGB")
    size = (given.width * SCALE, given.height * SCALE)
    return {"image": given.resize(size), "scale": float(SCALE), "seed": job.request.seed}


def _caption(job: Job, picture: Pictures) -> dict[str, Any]:
    request = job.request
    text = f"{request.prompt}{CAPTIONS[request.language]}"
    number = request.num_return_sequences
    texts = [text, *(f"{text} ({place})" for place in range(2, number + 1))]
    scored = [{"text": each, "score": -0.5 * place} for place, each in enumerate(texts, 1)]
    return {"generated_text": text, "candidates": scored if number > 1 else ()}


def _classes(job: Job, picture: Pictures) -> dict[str, Any]:
    """Of labels that were given, each is half as probable as the one before."""
    request = job.request
    given = request.candidate_labels or ()
    total = sum(0.5**place for place in range(len(given)))
    found = [(label, 0.5**place / total) for place, label in enumerate(given)] or LABELS
    return {"predictions": [{"label": label, "score": score} for label, score in found[: request.top_k]]}


def _mask(job: Job, picture: Pictures) -> dict[str, Any]:
    """The middle of the picture is a circle's."""
    given = picture(job.request.image)
    width, height = given.size
    mask = Image.new("P", given.size, 0)
    mask.putpalette(PALETTE)
    mask.paste(1, (width // 4, height // 4, width - width // 4, height - height // 4))
    share = mask.histogram()[1] / (width * height)
    overlay = Image.blend(given.convert("RGB"), mask.convert("RGB"), 0.5) if job.request.overlay else None
    areas = {name: area for name, area in zip(CLASSES, (1 - share, share), strict=True) if area}
    return {"mask": mask, "overlay": overlay, "labels": CLASSES, "areas": areas}


def _trained(job: Job, picture: Pictures) -> dict[str, Any]:
    """A model that gets one picture in ten wrong."""
    curve = [
        {
            "epoch": number,
            "train_loss": 1.0 / number,
            "train_accuracy": 1 - 0.5 / number,
            "validation_loss": 1.1 / number,
            "validation_accuracy": 1 - 0.6 / number,
            "seconds": 0.1,
        }
        for number in range(1, min(job.request.num_train_epochs, 5) + 1)
    ]
    labels = ("circle", "square")
    return {
        "model_name": f"trained:{job.id}",
        "weights": (b"no weights", "application/vnd.safetensors"),
        "config": (json.dumps({"labels": labels}).encode(), "application/json"),
        "plot": _plot(),
        "labels": labels,
        "curve": curve,
        "best_epoch": len(curve),
        "train_accuracy": curve[-1]["train_accuracy"],
        "validation_accuracy": curve[-1]["validation_accuracy"],
        "confusion_matrix": ((9, 1), (1, 9)),
        "num_train_images": 80,
        "num_validation_images": 20,
    }


def _plot() -> Image.Image:
    plot = Image.new("RGB", (64, 48), "white")
    ImageDraw.Draw(plot).line((4, 4, 16, 30, 60, 42), fill="black")
    return plot


_SAMPLES: dict[str, Callable[[Job, Pictures], dict[str, Any]]] = {
    "text-to-image": _pictures,
    "image-to-image": _pictures,
    "inpainting": _pictures,
    "image-upscaling": _larger,
    "image-to-text": _caption,
    "image-classification": _classes,
    "image-segmentation": _mask,
    "image-classification-training": _trained,
}
