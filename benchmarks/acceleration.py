"""How far accelerated pictures are from those of the full run, and what they save, in one process.

python -m benchmarks.acceleration [--pictures 20] [--steps 12 25 50] [--scheduler NAME] [--record]

Held-out prompts of pocket-diffusion in both languages, one seed each. The PSNR compares a picture with that
of the full run of the same seed, in 8 bits. Beside it stands that of a run with as many steps as the
accelerated one computes. It takes about five minutes of CPU time.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.families.step_skipping import StepSkipping
from brushwork_workers.pocket import WEIGHTS
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from benchmarks import machine
from benchmarks.pocket_cells import CELLS, WRITERS, descriptions
from benchmarks.pocket_editing import GUIDANCE, decibels
from benchmarks.report import DOCS, enter, number, table
from recipes.pocket.scenes.grammar import Description
from tests.pixel_judge import all_right, judge

ACCELERATIONS = (0.25, 0.5, 0.75, 1.0)
SEED = 19
Pictures = NDArray[np.uint8]
COLUMNS = {
    "steps": "steps",
    "acceleration": "acceleration",
    "skipped": "calls skipped",
    "median": "PSNR, median",
    "worst": "PSNR, worst",
    "right": "right by the judge",
    "saved": "CPU time of a picture, s: full, accelerated, saved",
    "fewer": "as many plain steps: PSNR, median, worst",
}


@dataclass(frozen=True)
class Run:
    """Pictures of all prompts.

    Args:
        pictures: `[prompts, height, width, 3]`.
        computed: Calls of the denoiser that were computed, for each picture.
        cpu_s: Seconds of CPU time for a picture.
    """

    pictures: Pictures
    computed: int
    cpu_s: float


class Painter:
    """Paints the same prompts with the same seeds again and again.

    Args:
        wanted: What the pictures should show.
        scheduler: The name of a scheduler class of diffusers; by default that of the model.
    """

    def __init__(self, wanted: Sequence[Description], scheduler: str | None = None) -> None:
        self._scheduler = scheduler
        pipeline: Any = StableDiffusionPipeline.from_pretrained(WEIGHTS / "pocket-diffusion")
        pipeline.set_progress_bar_config(disable=True)
        self._copies = PipelineCopies(pipeline, SerialExecutor(), CallOptions("pocket-diffusion"))
        writers = list(WRITERS.values())
        self._prompts = [writers[index % len(writers)](each) for index, each in enumerate(wanted)]

    def run(self, steps: int, acceleration: float = 0.0) -> Run:
        """Paint all prompts in one batch."""
        copy = self._copies.new(self._scheduler)
        skipping = StepSkipping(copy, acceleration)
        seeds = [torch.Generator().manual_seed(SEED + index) for index in range(len(self._prompts))]
        began = time.process_time()
        made = copy(
            self._prompts,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            generator=seeds,
            output_type="np",
        )
        cpu_s = (time.process_time() - began) / len(self._prompts)
        return Run((made.images * 255).round().astype(np.uint8), skipping.computed, cpu_s)


def prompts(number_of: int) -> list[Description]:
    """Return descriptions of one and of two objects, seen and never seen in training."""
    cells = [descriptions(cell, -(-number_of // len(CELLS)), SEED, keep=0.75) for cell in CELLS]
    return [each for group in zip(*cells, strict=True) for each in group][:number_of]


def share_right(run: Run, wanted: Sequence[Description]) -> str:
    """Return how many pictures show all that was asked for."""
    right = [all_right(judge(picture, each)) for picture, each in zip(run.pictures, wanted, strict=True)]
    return f"{sum(right)} of {len(right)}"


def psnr(run: Run, full: Run) -> list[float]:
    """Return the PSNR of each picture to that of the full run, in decibels."""
    return [decibels(own, other) for own, other in zip(run.pictures, full.pictures, strict=True)]


def measure(
    painter: Painter, wanted: Sequence[Description], steps: int
) -> list[tuple[Mapping[str, Any], Run]]:
    """Return a row and the pictures of each acceleration; the first row is the full run."""
    full = painter.run(steps)
    right = share_right(full, wanted)
    rows: list[tuple[Mapping[str, Any], Run]] = [
        ({"steps": steps, "acceleration": "0", "right": right}, full)
    ]
    for acceleration in ACCELERATIONS:
        fast = painter.run(steps, acceleration)
        fewer = painter.run(fast.computed)
        near, far = psnr(fast, full), psnr(fewer, full)
        row = {
            "steps": steps,
            "acceleration": f"{acceleration:g}",
            "skipped": f"{steps - fast.computed} of {steps} ({1 - fast.computed / steps:.0%})",
            "median": f"{np.median(near):.1f}",
            "worst": f"{min(near):.1f}",
            "right": share_right(fast, wanted),
            "saved": " ".join(number(value) for value in (full.cpu_s, fast.cpu_s, full.cpu_s - fast.cpu_s)),
            "fewer": f"{np.median(far):.1f} {min(far):.1f}",
        }
        print(row, flush=True)
        rows.append((row, fast))
    return rows


def write_sheet(runs: Sequence[Run], file: Path, number_of: int = 10) -> None:
    """Write the first pictures of each run, one run a row."""
    rows = [np.concatenate(list(run.pictures[:number_of]), axis=1) for run in runs]
    Image.fromarray(np.concatenate(rows)).save(file)


def main() -> None:
    """Measure, print the table, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--steps", type=int, nargs="+", default=[12, 25, 50])
    parser.add_argument("--scheduler", help="a scheduler class of diffusers; by default the model's own")
    parser.add_argument("--record", action="store_true", help="write the table into docs/generation.md")
    parser.add_argument("--sheet", type=Path, help="file for a contact sheet (PNG), one row for each run")
    options = parser.parse_args()
    # One thread: the CPU time of several includes that in which they wait for each other.
    torch.set_num_threads(1)
    wanted = prompts(options.pictures)
    painter = Painter(wanted, options.scheduler)
    found = [each for steps in options.steps for each in measure(painter, wanted, steps)]
    text = f"{table([row for row, _ in found], COLUMNS)}\n\n{machine.sentence(machine.facts())}"
    print(f"\n{text}")
    if options.record:
        enter(DOCS / "generation.md", "acceleration", text)
    if options.sheet:
        write_sheet([run for _, run in found], options.sheet)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
