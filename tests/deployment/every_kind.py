"""One request of each kind, by raw HTTP, and a look at what came of it."""

from typing import Any

from tests.archives import zipped
from tests.deployment.http_callers import HttpCaller, Story
from tests.drawn import drawn, png
from tests.trainings import colours, spotted

TRAINING_S = 300.0


def requests_of_kinds(caller: HttpCaller) -> dict[str, dict[str, Any]]:
    """A request of each kind, without its `kind`; their pictures are uploaded."""
    picture = caller.upload(png(drawn(1).resize((64, 64))), "image/png")
    mask = caller.upload(
        png(drawn(2).convert("L").point(lambda level: 255 * (level > 60)).resize((64, 64))), "image/png"
    )
    dataset = caller.upload(zipped(colours(8)), "application/zip")
    prompt = {"prompt": "a red circle on a white background", "num_inference_steps": 4}
    return {
        "text-to-image": prompt,
        "image-to-image": {**prompt, "image": picture},
        "inpainting": {**prompt, "image": picture, "mask_image": mask},
        "image-upscaling": {"image": picture},
        "image-to-text": {"image": picture},
        "image-classification": {"image": picture},
        "image-segmentation": {"image": picture},
        "image-classification-training": {"dataset": dataset, "num_train_epochs": 2, "seed": 1},
    }


def one_of_each(caller: HttpCaller, kinds: tuple[str, ...]) -> dict[str, Story]:
    """Submit one job of each kind after the other, and wait for its end."""
    requests = requests_of_kinds(caller)
    return {kind: caller.ask({"kind": kind, **requests[kind]}) for kind in kinds}


def served_by_trained_model(caller: HttpCaller, training: Story) -> Story:
    """Classify a picture with the model that a job has trained."""
    picture = caller.upload(spotted((200, 50, 40), 99), "image/png")
    return caller.ask(
        {"kind": "image-classification", "model": f"trained:{training.job_id}", "image": picture}
    )
