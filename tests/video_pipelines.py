"""Compares video pipelines of diffusers, eight jobs at once and alone: `python -m tests.video_pipelines`.

Names of classes as arguments select some of them; `--quick` runs the one that takes the least time, as the
tests do. The exit status is 1 if a frame differs by more than 1e-3 of the range.
"""

import inspect
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from brushwork_schemas.kinds.video.text_to_video import TextToVideoRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.families.diffusion.video.arguments import video_arguments
from brushwork_workers.families.diffusion.video.texts_per_frame import folding, unfold_in
from PIL import Image

from tests.stops import Going
from tests.tiny_videos import PICTURE, SIDES, TEXT

NUM_JOBS = 8
TOLERANCE = 1e-3
QUICK = ("LTXPipeline",)
SOURCE = Image.effect_noise((32, 32), 90).convert("RGB")


def request_of(index: int) -> TextToVideoRequest:
    """Words, steps, guidance and seed that differ from job to job."""
    return TextToVideoRequest(
        prompt=("a red circle", "a star")[index % 2],
        num_frames=9,
        fps=8,
        num_inference_steps=2 + index % 3,
        guidance_scale=(1.0, 3.0, 5.5)[index % 3],
        seed=index,
    )


def made(pipeline: Any, name: str, index: int) -> Any:
    """The frames of one job, (frames, height, width, 3), from 0 to 1."""
    own = {"image": SOURCE} if name in PICTURE else {}
    side = SIDES.get(name, 32)
    arguments = video_arguments(request_of(index), (side, side), own, pipeline)
    if "max_sequence_length" in inspect.signature(type(pipeline).__call__).parameters:
        arguments["max_sequence_length"] = 16
    generator = torch.Generator().manual_seed(index)
    return np.asarray(pipeline(**{**arguments, "output_type": "np"}, generator=generator).frames[0])


def prepared(name: str) -> Any:
    """A tiny pipeline of the class."""
    pipeline = (TEXT | PICTURE)[name]()
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    return pipeline


def compared(name: str) -> tuple[float, list[BatchStats]]:
    """Return the largest difference between jobs together and each alone, and the batches that were run."""
    pipeline, stats = prepared(name), list[BatchStats]()
    alone = [made(pipeline, name, index) for index in range(NUM_JOBS)]
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            unfold_in(component)
    batcher = Batcher(64, 10**9, stats.append)
    copies = PipelineCopies(pipeline, batcher, CallOptions("tiny"))

    def own_pipeline(index: int) -> Any:
        own = copies.new(seed=index)
        if "unet" in own.__dict__:
            own.__dict__["unet"] = folding(own.__dict__["unet"])
        return own

    def job(index: int) -> Any:
        with batcher.job(Going()):
            return batcher.run(lambda: made(own_pipeline(index), name, index))

    try:
        # As a worker does, which finds out what keeps the jobs apart.
        with batcher.job(Going()):
            copies.observe(lambda seed: made(own_pipeline(seed), name, seed))
        stats.clear()
        with ThreadPoolExecutor(NUM_JOBS) as threads:
            together = list(threads.map(job, range(NUM_JOBS)))
    finally:
        batcher.close()
    if not all(frames.std() > 0.01 for frames in alone):
        raise AssertionError("plain frames say nothing")
    return max(float(np.abs(a - b).max()) for a, b in zip(alone, together, strict=True)), stats


def main(arguments: list[str]) -> int:
    """Print a row for each class; return the exit status."""
    largest = 0.0
    names = [name for name in arguments if name != "--quick"]
    for name in names or (QUICK if "--quick" in arguments else [*TEXT, *PICTURE]):
        began = time.monotonic()
        difference, stats = compared(name)
        largest = max(largest, difference)
        calls = sum(len(ran.batch.calls) for ran in stats) / len(stats)
        print(f"{name:32} {difference:.1e}  {calls:.1f} calls in a batch  {time.monotonic() - began:.1f} s")
    return int(largest > TOLERANCE)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(sys.argv[1:]))
