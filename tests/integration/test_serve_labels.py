"""Files of every kind as a worker writes them: their labels as exiftool reads them, and their names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brushwork_core.provenance.marks.pixels import pixels_sha256
from brushwork_schemas.artifact import DigitalSource
from brushwork_schemas.job import Job
from PIL import Image

from tests.exiftool import read_by_exiftool
from tests.serving import Serving

SOURCE = "XMP-iptcExt:DigitalSourceType"


def picture(side: int = 16) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (side, side, 3), dtype=np.uint8))


PAINTED: dict[str, Any] = {
    "prompt": "a red circle",
    "model": "stable-diffusion",
    "num_inference_steps": 2,
    "seed": 3,
}
REQUESTS: list[tuple[dict[str, Any], DigitalSource, str]] = [
    (
        {"kind": "text-to-image", **PAINTED, "width": 32, "height": 32, "num_images_per_prompt": 2}
        | {"output_format": "jpeg", "embed_parameters": True},
        DigitalSource.GENERATED,
        "image/jpeg",
    ),
    (
        {"kind": "image-to-image", **PAINTED, "image": picture(32), "strength": 1.0, "visible_label": True},
        DigitalSource.COMPOSITE,
        "image/png",
    ),
    (
        {"kind": "inpainting", **PAINTED, "image": picture(32), "mask_image": Image.new("L", (32, 32), 255)}
        | {"strength": 1.0, "output_format": "webp"},
        DigitalSource.COMPOSITE,
        "image/webp",
    ),
    (
        {
            "kind": "image-upscaling",
            "model": "denoised",
            "image": picture(),
            "seed": 1,
            "output_format": "avif",
        },
        DigitalSource.COMPOSITE,
        "image/avif",
    ),
    ({"kind": "image-upscaling", "model": "twice", "image": picture()}, DigitalSource.ENHANCED, "image/png"),
]


def files(job: Job) -> list[Any]:
    return list(getattr(job.result, "images", None) or [job.result.image])


def test_files_of_all_kinds_say_how_they_came_to_be(served: Serving, tmp_path: Path) -> None:
    jobs = served.all([request for request, _, _ in REQUESTS])
    for number, (job, (_, source, media_type)) in enumerate(zip(jobs, REQUESTS, strict=True)):
        saved = [made.save(tmp_path / f"{number}-{at}") for at, made in enumerate(files(job))]
        for made, found in zip(files(job), read_by_exiftool(*saved), strict=True):
            assert found[SOURCE] == source.uri
            assert found["XMP-xmp:CreatorTool"].startswith("brushwork ")
            assert made.media_type == found["File:MIMEType"] == media_type
            assert made.pil().size == (made.width, made.height)
            assert made.unsigned_sha256 is not None
            if media_type == "image/png":
                assert made.pixels_sha256 == pixels_sha256(made.pil())


def test_each_picture_of_a_job_tells_its_own_seed(served: Serving, tmp_path: Path) -> None:
    job = served.one(**REQUESTS[0][0])
    saved = [made.save(tmp_path / str(at)) for at, made in enumerate(files(job))]
    for seed, found in zip(job.result.seeds, read_by_exiftool(*saved), strict=True):
        own = found["XMP-brushwork:Parameters"]
        told = (json.loads(own) if isinstance(own, str) else own)["parameters"]
        assert (told["seed"], told["num_images_per_prompt"], told["prompt"]) == (seed, 1, "a red circle")
        assert f"Seed: {seed}" in found["ExifIFD:UserComment"]
        # The parameters make this picture again.
        again = served.one("text-to-image", **{**told, "embed_parameters": True, "output_format": "jpeg"})
        assert again.result.images[0].pixels_sha256 == job.result.images[seed - 3].pixels_sha256


@pytest.mark.parametrize("number", range(3))
def test_equal_requests_give_equal_pixels_and_equal_unsigned_files(served: Serving, number: int) -> None:
    request = {**REQUESTS[number][0], "deterministic": True}
    first, again = (served.one(**request) for _ in range(2))
    names = [[(each.pixels_sha256, each.unsigned_sha256) for each in files(job)] for job in (first, again)]
    assert names[0] == names[1]


def test_an_output_in_any_format_is_an_input_again(served: Serving) -> None:
    for form in ("jpeg", "webp", "avif"):
        job = served.one("text-to-image", **PAINTED, width=32, height=32, output_format=form)
        (made,) = files(job)
        next_job = served.one("image-upscaling", model="twice", image=made)
        assert next_job.request.image == made.sha256
        assert next_job.result.image.width == 64


def test_masks_and_overlays_have_no_label(served: Serving, tmp_path: Path) -> None:
    models = [name for name in served.client.models() if "image-segmentation" in name.kinds]
    job = served.one("image-segmentation", model=models[0].name, image=picture(64), overlay=True)
    saved = [
        each.save(tmp_path / name) for name, each in (("mask", job.result.mask), ("over", job.result.overlay))
    ]
    for found in read_by_exiftool(*saved):
        assert found["File:MIMEType"] == "image/png"
        assert not [name for name in found if name.startswith("XMP")]


def test_a_text_that_the_font_cannot_write_fails_with_its_field(served: Serving) -> None:
    sent = served.client.submit(
        "text-to-image", **PAINTED, width=32, height=32, visible_label=True, visible_label_text="AI 😀"
    )
    job = served.client.wait(sent.id, timeout_s=60)
    assert job.error is not None
    assert (job.error.code, job.error.field, job.error.fault) == (
        "invalid_request",
        "visible_label_text",
        "caller",
    )
