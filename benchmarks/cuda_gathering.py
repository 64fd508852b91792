"""Batched calls on a CUDA device, with denoisers of real size, compared with plain diffusers.

    python -m benchmarks.cuda_gathering [--families sd15 sdxl] [--sides 512 1024] [--counts 1 2 4 8 16 32]

In process, without Redis: a thread for each job, the batcher, the unmodified pipeline. With
`--tiny --device cpu` it runs anywhere, for a test.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.device.selection import default_pixels
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies

from benchmarks.command import Benchmark, Options
from benchmarks.random_pipelines import FAMILIES, Picture, RandomPipeline
from benchmarks.report import Row

GATHERED, STATIC, ALONE = "brushwork, gathered calls", "diffusers, static batch", "diffusers, one by one"
# One by one, the rate does not depend on how many there are.
MOST_ALONE = 4
Make = Callable[[Sequence[Picture]], object]


class Going:
    """Nobody ever wants a job to stop."""

    def check(self) -> None:
        """Go on."""

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Never called back."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="use models of a few thousand weights in float32")
    parser.set_defaults(peers="none")


def measure(options: Options, folder: Path) -> list[Row]:
    """Images per second and busy share, for each family, side and number of jobs."""
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("cuda_gathering: skipped, for there is no CUDA device here.")
    dtype = torch.float32 if options.tiny else torch.bfloat16
    rows: list[Row] = []
    for family in options.families:
        pipeline = RandomPipeline(family, device, dtype, tiny=options.tiny)
        for side in options.sides:
            for count in options.counts:
                rows += _rows(pipeline, options, family, side, count)
    return rows


def _rows(pipeline: RandomPipeline, options: Options, family: str, side: int, count: int) -> list[Row]:
    pictures = [Picture(seed, side, options.steps) for seed in range(count)]
    batcher = Batcher(2 * count, default_pixels(torch.device(options.device)))
    ways: dict[str, Make] = {
        GATHERED: partial(_gathered, pipeline, batcher),
        STATIC: partial(pipeline.run, pipeline.pipeline),
        ALONE: partial(_one_by_one, pipeline),
    }
    rows: list[Row] = []
    for name, make in ways.items():
        these = pictures[:MOST_ALONE] if name == ALONE else pictures
        row = {"family": family, "side": side, "jobs": count, "contestant": name}
        rows.append({**row, **_figures(make, these, options)})
        print(" ", rows[-1], flush=True)
    batcher.close()
    return rows


def _figures(make: Make, pictures: Sequence[Picture], options: Options) -> Row:
    short = [Picture(picture.seed, picture.side, 2) for picture in pictures]
    try:
        make(short)
        seconds = [_timed(make, pictures) for _ in range(options.rounds)]
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return {"per_s": None, "busy": None, "note": "out of memory"}
    per_s = len(pictures) / statistics.median(seconds)
    return {"per_s": per_s, "busy": _busy_share(make, pictures), "rounds": seconds}


def _gathered(pipeline: RandomPipeline, batcher: Batcher, pictures: Sequence[Picture]) -> list[torch.Tensor]:
    copies = PipelineCopies(pipeline.pipeline, batcher, CallOptions(model="random"))

    def perform(picture: Picture) -> torch.Tensor:
        with batcher.job(Going()):
            return pipeline.run(copies.new(pixels=picture.side**2), [picture])

    with ThreadPoolExecutor(len(pictures)) as threads:
        return list(threads.map(perform, pictures))


def _one_by_one(pipeline: RandomPipeline, pictures: Sequence[Picture]) -> list[torch.Tensor]:
    return [pipeline.run(pipeline.pipeline, [picture]) for picture in pictures]


def _timed(make: Make, pictures: Sequence[Picture]) -> float:
    began = time.perf_counter()
    make(pictures)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _busy_share(make: Make, pictures: Sequence[Picture]) -> float | None:
    """Share of the time in which the device ran a kernel, by torch's profiler, over five steps."""
    if not torch.cuda.is_available():
        return None
    few = [Picture(picture.seed, picture.side, 5) for picture in pictures]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        seconds = _timed(make, few)
    events: Any = profile.key_averages()
    busy_us: float = sum(event.self_device_time_total for event in events)
    return min(1.0, busy_us / 1e6 / seconds)


def draw(rows: list[Row], file: Path) -> None:
    """Images per second over the number of jobs, a panel for each family and side."""
    # Here, for a machine with an accelerator may have torch and little else.
    from benchmarks import plot

    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for row in rows:
        if row["per_s"] is not None:
            curves = panels.setdefault(f"{row['family']}, {row['side']}x{row['side']}", {})
            across, up = curves.setdefault(row["contestant"], ([], []))
            across.append(row["jobs"])
            up.append(row["per_s"])
    plot.lines(file, panels, ("jobs at once", "images/s"))


COLUMNS = {
    "family": "denoiser",
    "side": "side",
    "jobs": "jobs",
    "contestant": "contestant",
    "per_s": "images/s",
    "busy": "GPU busy",
    "note": "",
}

BENCHMARK = Benchmark(
    name="cuda_gathering",
    title="Gathered calls on a CUDA device.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
