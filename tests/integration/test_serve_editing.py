"""Pictures edited by an instruction, through the queue: equal to diffusers, alone and eight at once."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
from brushwork_schemas.errors import InvalidRequest, JobFailed

from tests.checkpoints.editors import QUICK
from tests.checkpoints.painters import picture
from tests.equality import assert_equals
from tests.serving import Serving
from tests.unit.test_gathered_editing import NUM_JOBS, asked, pictures_of, stock_picture

KIND = "image-editing"


@pytest.mark.parametrize("name", QUICK)
def test_equals_diffusers(served: Serving, every_model: Path, name: str) -> None:
    stock: Any = diffusers.DiffusionPipeline.from_pretrained(every_model / "editors" / name)
    stock.set_progress_bar_config(disable=True)
    requests = [
        {"kind": KIND, "model": name, "images": pictures_of(name, index), **asked(name, index)}
        for index in range(NUM_JOBS)
    ]
    jobs = [served.one(**requests[0]), *served.all(requests)]
    for job, index in zip(jobs, [0, *range(NUM_JOBS)], strict=True):
        expected = stock_picture(stock, name, asked(name, index), pictures_of(name, index))
        assert_equals(job.result.images[0].pil(), expected)


def test_two_pictures_of_one_job_are_those_of_their_seeds(served: Serving) -> None:
    asked_for = {
        "model": "instruct-pix2pix",
        "prompt": "a star",
        "images": picture(64, 64),
        "guidance_scale": 3.0,
    }
    two = served.one(KIND, **asked_for, seed=3, num_images_per_prompt=2).result
    second = served.one(KIND, **asked_for, seed=4).result
    assert two.seeds == (3, 4)
    assert two.images[1].pixels_sha256 == second.images[0].pixels_sha256


def test_what_a_pipeline_does_not_take_is_refused_with_its_place(served: Serving) -> None:
    with pytest.raises(InvalidRequest, match="images: 2 pictures exceed the limit of flux-kontext, 1"):
        served.client.submit(KIND, model="flux-kontext", prompt="x", images=[picture(64, 64)] * 2)
    with pytest.raises(InvalidRequest, match="image_guidance_scale: flux-2 does not accept"):
        served.client.submit(
            KIND, model="flux-2", prompt="x", images=[picture(64, 64)], image_guidance_scale=2.0
        )
    job = served.client.submit(KIND, model="flux-2", prompt="x", images=[picture(64, 64), picture(32, 32)])
    with pytest.raises(JobFailed) as failed:
        served.client.wait(job.id, timeout_s=60).raise_for_state()
    assert "images.1: flux-2 does not take this picture" in str(failed.value)


def test_the_result_has_the_proportions_of_the_first_picture(served: Serving) -> None:
    for model, given, size in (
        ("instruct-pix2pix", (72, 40), (72, 40)),
        ("flux-2", (96, 64), (96, 64)),
        ("omnigen", (64, 48), (64, 48)),
    ):
        made = served.one(KIND, model=model, prompt="x", images=picture(*given), num_inference_steps=1)
        assert (made.result.images[0].width, made.result.images[0].height) == size
