"""A request of each kind that works as it stands, and a job as it is answered."""

from typing import Any

# 8 x 8 pixels, red: small enough to be read, and a whole PNG.
RED = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP8z4AdMDEMKQkAzUEBD7t4NqoAAAAASUVORK5CYII="
)
WHITE = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR4nGP8//8/AzbAhFV00EoAAFbUAw037MyjAAAAAElFTkSuQmCC"
)
# The name of a file that is brought before.
DATASET = "8dcc7e601606217f3b754766511182a916b17e9a26a94c9d887104eba92e9bb2"
EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "text-to-image": (
        "A picture from words",
        {"kind": "text-to-image", "prompt": "a red circle above a blue square", "seed": 7},
    ),
    "image-to-image": (
        "A picture from another one",
        {"kind": "image-to-image", "prompt": "a blue circle", "image": RED, "strength": 0.6},
    ),
    "inpainting": (
        "A part of a picture made anew",
        {"kind": "inpainting", "prompt": "a blue circle", "image": RED, "mask_image": WHITE},
    ),
    "image-upscaling": ("A picture made larger", {"kind": "image-upscaling", "image": RED}),
    "image-to-text": ("Words for a picture", {"kind": "image-to-text", "image": RED}),
    "image-classification": (
        "What a picture shows",
        {"kind": "image-classification", "image": RED, "top_k": 3},
    ),
    "image-segmentation": ("Where it shows it", {"kind": "image-segmentation", "image": RED}),
    "image-classification-training": (
        "A classifier of one's own; the archive was brought with POST /v1/files",
        {"kind": "image-classification-training", "dataset": DATASET, "num_train_epochs": 3},
    ),
}
JOB_ID = "01a1fd79-5759-771b-a704-8171fd68eb18"
JOB: dict[str, Any] = {
    "id": JOB_ID,
    "kind": "text-to-image",
    "model": "pocket-diffusion",
    "label": "pocket-diffusion 64x64 12 steps",
    "state": "queued",
    "request": {
        "prompt": "a red circle above a blue square",
        "seed": 7,
        "width": 64,
        "height": 64,
        "num_inference_steps": 12,
        "guidance_scale": 2.0,
    },
    "progress": {"step": 0, "total": 0},
    "created_at": "2026-11-21T09:00:00Z",
    "links": {
        "self": f"/v1/jobs/{JOB_ID}",
        "events": f"/v1/jobs/{JOB_ID}/events",
        "cancel": f"/v1/jobs/{JOB_ID}/cancel",
    },
}
