"""Gathered pictures equal those made alone, for every family, with no line of code for any of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.calls import Calls, DirectCalls
from brushwork_workers.kinds.pipeline_copies import PipelineCopies
from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    DiffusionPipeline,
    FluxPipeline,
)
from PIL import Image

from tests.tiny_pipelines import FAMILIES

NUM_JOBS = 16
# Of the pixel range, in float32: what rounding alone may do.
TOLERANCE = 1e-3
SOURCE = Image.effect_noise((32, 32), 90).convert("RGB")
MASK = Image.new("L", (32, 32))
MASK.paste(255, (8, 8, 24, 24))


def text_to_image(pipeline: DiffusionPipeline) -> tuple[DiffusionPipeline, dict[str, Any]]:
    return pipeline, {}


def image_to_image(pipeline: DiffusionPipeline) -> tuple[DiffusionPipeline, dict[str, Any]]:
    return AutoPipelineForImage2Image.from_pipe(pipeline), {"image": SOURCE, "strength": 0.8}


def inpainting(pipeline: DiffusionPipeline) -> tuple[DiffusionPipeline, dict[str, Any]]:
    return AutoPipelineForInpainting.from_pipe(pipeline), {
        "image": SOURCE,
        "mask_image": MASK,
        "strength": 0.9,
    }


def job_arguments(family: type[DiffusionPipeline], index: int) -> dict[str, Any]:
    """Prompt, steps, guidance and seed that differ from job to job."""
    own = {"max_sequence_length": 16} if family is FluxPipeline else {}
    return {
        "prompt": "a red circle" if index % 2 else "a star",
        "width": 32,
        "height": 32,
        "num_inference_steps": 3 + index % 5,
        "guidance_scale": (1.0, 3.0, 5.5)[index % 3],
        "generator": torch.Generator().manual_seed(index),
        "output_type": "np",
        **own,
    }


def pictures(
    pipeline: DiffusionPipeline,
    family: type[DiffusionPipeline],
    given: dict[str, Any],
    calls: Calls,
    threads: int,
) -> list[np.ndarray]:
    copies = PipelineCopies(pipeline, calls)

    def job(index: int) -> np.ndarray:
        with calls.job():
            return copies.new()(**job_arguments(family, index), **given).images[0]

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(job, range(NUM_JOBS)))


@pytest.mark.parametrize("task", [text_to_image, image_to_image, inpainting])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_sixteen_jobs_together_equal_sixteen_alone(
    family: type[DiffusionPipeline], task: Callable[..., tuple[DiffusionPipeline, dict[str, Any]]]
) -> None:
    pipeline, given = task(FAMILIES[family]())
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    alone = pictures(pipeline, family, given, DirectCalls(), threads=1)

    sizes: list[int] = []
    calls = Batcher(64, on_run=lambda run, took_s: sizes.append(len(run.calls)))
    together = pictures(pipeline, family, given, calls, threads=NUM_JOBS)
    calls.close()

    difference = max(np.abs(one - other).max() for one, other in zip(alone, together, strict=True))
    print(f"largest difference {difference:.1e}, mean batch {np.mean(sizes):.1f}")
    assert difference <= TOLERANCE
    assert max(sizes) > 1  # how many share a run is a matter of timing, that they do is not
    assert min(picture.std() for picture in alone) > 0.01
