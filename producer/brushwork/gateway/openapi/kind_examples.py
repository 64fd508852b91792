"""Examples in the OpenAPI document: a request of each kind, and a job as an answer shows it."""

from datetime import UTC, datetime
from typing import Any

from brushwork_schemas.job import Job
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState

from brushwork.gateway.watching.job_view import view


def examples() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return a summary and a complete request for each kind, by name."""
    return {
        kind.name: (kind.action["en"], {"kind": kind.name, **kind.example}) for kind in all_kinds().values()
    }


def job_example() -> dict[str, Any]:
    """Return a job as an answer shows it."""
    request = TextToImageRequest(
        model="pocket-diffusion",
        prompt="a red circle above a blue square",
        seed=7,
        width=64,
        height=64,
        num_inference_steps=12,
        guidance_scale=2.0,
    )
    job = Job(
        id="01a1fd79-5759-771b-a704-8171fd68eb18",
        kind="text-to-image",
        model="pocket-diffusion",
        label="pocket-diffusion 64x64 12 steps",
        state=JobState.QUEUED,
        request=request,
        created_at=datetime(2026, 11, 21, 9, tzinfo=UTC),
    )
    return view(job).model_dump(mode="json")
