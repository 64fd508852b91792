"""One request of each kind, by raw HTTP."""

import uuid
from collections.abc import Iterable
from typing import Any

from tests.archives import zipped
from tests.drawn import drawn, png
from tests.raw_callers import RawCaller, Report
from tests.trainings import colours, spotted

SIDE = 64


def requests_of_kinds(caller: RawCaller) -> dict[str, dict[str, Any]]:
    """A request of each kind; the pictures are uploaded."""
    picture = upload(caller, png(drawn(1).resize((SIDE, SIDE))), "image/png")
    half = drawn(2).convert("L").resize((SIDE, SIDE)).point(lambda level: 255 * (level > 60))
    mask = upload(caller, png(half), "image/png")
    dataset = upload(caller, zipped(colours(8)), "application/zip")
    prompt = {"prompt": "a red circle on a white background", "num_inference_steps": 4}
    parameters: dict[str, dict[str, Any]] = {
        "text-to-image": prompt,
        "image-to-image": {**prompt, "image": picture},
        "inpainting": {**prompt, "image": picture, "mask_image": mask},
        "image-upscaling": {"image": picture},
        "image-to-text": {"image": picture},
        "image-classification": {"image": picture},
        "image-segmentation": {"image": picture},
        "image-classification-training": {"dataset": dataset, "num_train_epochs": 2, "seed": 1},
    }
    return {kind: {"kind": kind, **given} for kind, given in parameters.items()}


def one_of_each(caller: RawCaller, kinds: Iterable[str]) -> dict[str, Report]:
    """Submit one job of each kind after the other, and wait for its end."""
    requests = requests_of_kinds(caller)
    return {kind: caller.run(requests[kind], key=uuid.uuid4().hex) for kind in kinds}


def served_by_trained_model(caller: RawCaller, training: Report) -> Report:
    """Classify a picture with the model that a job has trained."""
    picture = upload(caller, spotted((200, 50, 40), 99), "image/png")
    request = {"kind": "image-classification", "model": f"trained:{training.job_id}", "image": picture}
    return caller.run(request, key=uuid.uuid4().hex)


def upload(caller: RawCaller, content: bytes, media_type: str) -> str:
    """Store a file, and return its name."""
    answer = caller.call("POST", "/v1/files", content, {"Content-Type": media_type})
    assert answer.status in (200, 201), answer
    return str(answer.json["sha256"])
