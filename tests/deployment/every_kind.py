"""One request of each kind, by raw HTTP. Nothing of this imports torch, which takes seconds."""

import itertools
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
from brushwork_schemas.kinds.registry import all_kinds
from PIL import Image

from tests.archives import zipped
from tests.drawn import drawn, png
from tests.raw_callers import RawCaller, Report

SIDE = 64
COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}
EACH = 8
# No model of this kind is in the wheel.
DOWNLOADED = ("image-to-video",)
LOCAL_KINDS = tuple(kind for kind in all_kinds() if kind not in DOWNLOADED)


def requests_of_kinds(caller: RawCaller) -> dict[str, dict[str, Any]]:
    """A request of each kind; the pictures are uploaded."""
    picture = upload(caller, png(drawn(1).resize((SIDE, SIDE))), "image/png")
    half = drawn(2).convert("L").resize((SIDE, SIDE)).point(lambda level: 255 * (level > 60))
    mask = upload(caller, png(half), "image/png")
    dataset = upload(caller, zipped(_pictures_to_learn()), "application/zip")
    prompt = {"prompt": "a red circle on a white background", "num_inference_steps": 4}
    parameters: dict[str, dict[str, Any]] = {
        "text-to-image": prompt,
        "image-to-image": {**prompt, "image": picture},
        "image-editing": {"prompt": "make it blue", "num_inference_steps": 4, "images": [picture]},
        "inpainting": {**prompt, "image": picture, "mask_image": mask},
        "image-upscaling": {"image": picture},
        "image-to-text": {"image": picture},
        "image-classification": {"image": picture},
        "image-segmentation": {"image": picture},
        "image-preprocessing": {"image": picture},
        "text-to-video": {"prompt": "a red circle moves to the right on a white background"},
        "image-classification-training": {"dataset": dataset, "num_train_epochs": 2, "seed": 1},
    }
    return {kind: {"kind": kind, **given} for kind, given in parameters.items()}


def one_of_each(caller: RawCaller, kinds: Iterable[str]) -> dict[str, Report]:
    """Submit one job of each kind after the other, and wait for its end."""
    requests = requests_of_kinds(caller)
    return {kind: caller.run(requests[kind], key=uuid.uuid4().hex) for kind in kinds}


def served_by_trained_model(caller: RawCaller, training: Report) -> Report:
    """Classify a picture with the model that a job has trained."""
    picture = upload(caller, _spotted("red", 99), "image/png")
    request = {"kind": "image-classification", "model": f"trained:{training.job_id}", "image": picture}
    return caller.run(request, key=uuid.uuid4().hex)


def upload(caller: RawCaller, content: bytes, media_type: str) -> str:
    """Store a file, and return its name."""
    answer = caller.call("POST", "/v1/files", content, {"Content-Type": media_type})
    assert answer.status in (200, 201), answer
    return str(answer.json["sha256"])


def _pictures_to_learn() -> dict[str, bytes]:
    """So many noisy pictures of each colour, in folders."""
    pairs = itertools.product(COLOURS, range(EACH))
    return {f"{colour}/{number}.png": _spotted(colour, number) for colour, number in pairs}


def _spotted(colour: str, seed: int) -> bytes:
    noise = np.random.default_rng(seed).normal(0, 40, (20, 20, 3))
    return png(Image.fromarray((noise + COLOURS[colour]).clip(0, 255).astype(np.uint8)))
