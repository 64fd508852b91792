"""What the extra calls of explanations cost, and how long a job beside them waits.

python -m benchmarks.explanations [--jobs 8] [--rounds 3] [--side 224]

A ResNet-50 with random weights explains a picture by occlusion, in one process and without queue. In turns:
one explained job; the same job with one call at a time; several explained jobs at once. Then jobs without an
explanation come one after another while explained ones run, and the batches that each waits for are counted.
"""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.device.cpu import keep_memory
from brushwork_workers.families.classification import torchvision_classifier
from brushwork_workers.interface import LoadSpec
from PIL import Image
from safetensors.torch import save_file

from benchmarks import plot
from benchmarks.bare_vision import WEIGHTS, untrained
from benchmarks.command import Benchmark, Options
from benchmarks.cuda_gathering import Going
from benchmarks.report import Row
from benchmarks.rounds import Seconds, Stage, take_turns, times_faster

MODEL = "resnet50"
NAME = "0" * 64
EXPLAINED, PLAIN = Explain(method="occlusion"), None
ONE, SERIAL = "one explained job", "one explained job, one call at a time"
BESIDE = "jobs without explanation beside them"
PAUSE_S = 0.2
_ENTRY = '[models.resnet50]\nfamily = "torchvision-classifier"\nsource = {{ folder = "{folder}" }}\n'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--jobs", type=int, default=8, help="explained jobs at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=224, help="side of the picture in pixels")


def measure(options: Options, folder: Path) -> list[Row]:
    """Seconds of each way, in turns; and for how many batches a job beside explained ones waits."""
    keep_memory()
    place, side = _saved(folder / MODEL), options.side
    num_threads = torch.get_num_threads()
    seen = Batches()
    batcher = Batcher(64, 10**9, seen.add, num_threads, is_cooperative=True)
    together, serial = Worker(batcher, place, side), Worker(SerialExecutor(), place, side)
    many = f"{options.jobs} explained jobs at once"
    try:
        turns = {
            ONE: Turn(partial(together.seconds, 1)),
            # Outside of the device thread, torch computes with one thread until it is told otherwise.
            SERIAL: Turn(partial(serial.seconds, 1, num_threads)),
            many: Turn(partial(together.seconds, options.jobs)),
        }
        # The first batches learn what a call costs.
        together.job(PLAIN), together.seconds(1), serial.seconds(1, num_threads)
        seconds = take_turns(turns, options.rounds, Stage([]))
        rows = [_row(name, seconds, turns) for name in turns]
        return [*rows, _beside(together, seen, options.jobs)]
    finally:
        batcher.close()


def _saved(folder: Path) -> Path:
    folder.mkdir()
    torch.manual_seed(0)
    save_file(untrained(MODEL).state_dict(), folder / "model.safetensors")
    config = {"library": "torchvision", "weights": WEIGHTS[MODEL]}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "catalogue.toml").write_text(_ENTRY.format(folder=folder), "utf-8")
    return folder


class Turn:
    """A way to do jobs, which notes the processor time of this process.

    Args:
        go: Goes that way; returns the seconds.
    """

    def __init__(self, go: Callable[[], float]) -> None:
        self._go = go
        self.cpu_s: list[float] = []

    def __call__(self) -> float:
        """Go once."""
        before = time.process_time()
        seconds = self._go()
        self.cpu_s.append(time.process_time() - before)
        return seconds


class Batches:
    """The batches of an executor, in their order. Safe to use from any thread."""

    def __init__(self) -> None:
        self._all: list[BatchStats] = []

    def add(self, stats: BatchStats) -> None:
        """Note a batch that has ended."""
        self._all.append(stats)

    def waits(self) -> list[int]:
        """Return for each own call how many batches of extra calls ended while it waited."""
        own = [(call, each) for each in self._all for call in each.batch.calls if not call.is_extra]
        extra_s = [each.began_s + each.took_s for each in self._all if each.batch.calls[0].is_extra]
        return [sum(call.since_s < end_s <= each.began_s for end_s in extra_s) for call, each in own]

    def forget(self) -> None:
        """Forget all batches until now."""
        self._all.clear()


class Worker:
    """Runs jobs of one loaded model, each in a thread of its own.

    Args:
        calls: Runs the calls of the model.
        folder: The files of the model.
        side: Side of its picture in pixels.
    """

    def __init__(self, calls: ModelExecutor, folder: Path, side: int) -> None:
        self._calls = calls
        model = Catalogue.load(folder / "catalogue.toml").named(MODEL, "image-classification")
        spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, calls, model.kinds)
        self._handler: Any = torchvision_classifier.load(spec).handlers["image-classification"]
        pixels = np.random.default_rng(5).integers(0, 256, (14, 14, 3), dtype=np.uint8)
        self._picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)

    def job(self, explain: Explain | None) -> float:
        """Run one job and return its seconds."""
        began = time.perf_counter()
        request = ImageClassificationRequest(image=NAME, model=MODEL, top_k=5, explain=explain)
        with self._calls.job(Going(), model=MODEL):
            self._handler.perform(request, _Context(self._picture))
        return time.perf_counter() - began

    def seconds(self, num_jobs: int, num_threads: int | None = None) -> float:
        """Run explained jobs at once, and return the seconds until all have ended.

        Args:
            num_jobs: How many.
            num_threads: Threads with which each of their threads computes; None for one.
        """
        start = None if num_threads is None else partial(torch.set_num_threads, num_threads)
        began = time.perf_counter()
        with ThreadPoolExecutor(num_jobs, initializer=start) as threads:
            list(threads.map(self.job, [EXPLAINED] * num_jobs))
        return time.perf_counter() - began


class _Context:
    """The context of a job whose files are not kept."""

    def __init__(self, picture: Image.Image) -> None:
        self._picture = picture

    def picture(self, sha256: str) -> Image.Image:
        return self._picture

    def save_picture(self, picture: Image.Image, **named: Any) -> Artifact:
        return self._artifact(*picture.size)

    def save_file(self, data: bytes, media_type: str) -> Artifact:
        return self._artifact(*self._picture.size)

    def progress(self, step: int, total: int) -> None:
        return

    def check_stop(self) -> None:
        return

    def _artifact(self, width: int, height: int) -> Artifact:
        return Artifact(sha256=NAME, media_type="image/png", size_bytes=1, width=width, height=height)


def _beside(worker: Worker, seen: Batches, num_jobs: int) -> Row:
    """Jobs without explanation, one after another with pauses, while explained ones run."""
    alone_s = [worker.job(PLAIN) for _ in range(5)]
    seen.forget()
    latencies: list[float] = []
    with ThreadPoolExecutor(1) as thread:
        explained = thread.submit(worker.seconds, num_jobs)
        while not explained.done():
            threading.Event().wait(PAUSE_S)
            latencies.append(worker.job(PLAIN))
        explained.result()
    # The own calls of explained jobs count, too: their first ones.
    waits = seen.waits()
    return {
        "way": BESIDE,
        "seconds": statistics.median(latencies),
        "of_one": statistics.median(latencies) / statistics.median(alone_s),
        "most_batches": max(waits),
        "rounds": latencies,
        "alone": alone_s,
        "batches": waits,
    }


def _row(way: str, seconds: Seconds, turns: Mapping[str, Turn]) -> Row:
    cpu_s = turns[way].cpu_s
    return {
        "way": way,
        "seconds": statistics.median(seconds[way]),
        "of_one": times_faster(seconds[ONE], seconds[way]),
        "cpu_s": statistics.median(cpu_s),
        "of_one_cpu": times_faster(turns[ONE].cpu_s, cpu_s),
        "rounds": seconds[way],
        "cpu_rounds": cpu_s,
    }


def draw(rows: list[Row], file: Path) -> None:
    """Seconds of each way."""
    plot.bars(file, {"seconds": {row["way"]: row["seconds"] for row in rows}}, "")


COLUMNS = {
    "way": "what runs",
    "seconds": "seconds, median",
    "of_one": "of one explained job; last row: of a job alone",
    "cpu_s": "processor time, s",
    "of_one_cpu": "of one explained job's",
    "most_batches": "batches of extra calls that a job waits for, at most",
}
BENCHMARK = Benchmark(
    "explanations", "What extra calls cost, and who waits for them.", add_options, measure, COLUMNS, draw
)

if __name__ == "__main__":
    BENCHMARK.main()
