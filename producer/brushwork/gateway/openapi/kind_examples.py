"""Examples in the OpenAPI document: a request of each kind, and a job as an answer shows it."""

from typing import Any

from brushwork_schemas.kinds.registry import all_kinds


def examples() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return a summary and a complete request for each kind, by name."""
    return {
        kind.name: (kind.action["en"], {"kind": kind.name, **kind.example}) for kind in all_kinds().values()
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
