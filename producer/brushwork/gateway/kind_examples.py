"""A request of each kind that works as it stands, and a job as it is answered."""

from typing import Any

# 8 x 8 pixels, red: small enough to be read, and a whole PNG.
RED = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP8z4AdMDEMKQkAzUEBD7t4NqoAAAAASUVORK5CYII="
)
EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "text-to-image": (
        "A picture from words",
        {"kind": "text-to-image", "prompt": "a red circle above a blue square", "seed": 7},
    ),
    "image-to-text": ("Words for a picture", {"kind": "image-to-text", "image": RED}),
    "image-classification": (
        "What a picture shows",
        {"kind": "image-classification", "image": RED, "top_k": 3},
    ),
    "image-segmentation": ("Where it shows it", {"kind": "image-segmentation", "image": RED}),
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
