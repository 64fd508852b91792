"""Time and memory of fcn_resnet101 and resnet50 on the CPU, through the queue and called directly.

python -m benchmarks.full_size [--pictures 4] [--models fcn_resnet101 resnet50] [--rounds 3]
"""

import argparse
import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import torch
from brushwork_core.files.artifact_store import ArtifactStore
from PIL import Image
from safetensors.torch import save_file

from benchmarks import plot
from benchmarks.bare_vision import WEIGHTS, BareVision, peak_bytes, untrained
from benchmarks.brushwork_queue import Queue, brushwork_up
from benchmarks.command import Benchmark, Options
from benchmarks.contestant import Job
from benchmarks.in_process import in_its_thread
from benchmarks.program import own_environment
from benchmarks.report import Row
from benchmarks.rounds import Seconds, Stage, take_turns, times_faster

KINDS = {"fcn_resnet101": "image-segmentation", "resnet50": "image-classification"}
FAMILIES = {"fcn_resnet101": "torchvision-segmenter", "resnet50": "torchvision-classifier"}
SIZE = (640, 480)
OURS, BARE = "brushwork", "bare call"
ONE_BY_ONE, AT_ONCE = "one by one", "all at once"
MIB = 1024 * 1024


Ways = dict[str, "Turn"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--models", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: Options, folder: Path) -> list[Row]:
    """Seconds of either contestant, in turns, and the most memory that each had."""
    # In the thread that computes later: helpers of another one would get in its way.
    entries = in_its_thread(lambda: [_saved(model, folder / model) for model in options.models])
    (folder / "catalogue.toml").write_text("".join(entries), "utf-8")
    files = _pictures(options.pictures)
    rows: list[Row] = []
    for model in options.models:
        print(f" {model}", flush=True)
        rows += _contest(model, folder, files, options.rounds)
    return rows


def _saved(model: str, folder: Path) -> str:
    """Random weights in the place of those that torchvision publishes; returns the catalogue's entry."""
    folder.mkdir()
    torch.manual_seed(0)
    save_file(untrained(model).state_dict(), folder / "model.safetensors")
    config = {"library": "torchvision", "weights": WEIGHTS[model]}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return f'[models.{model}]\nfamily = "{FAMILIES[model]}"\nsource = {{ folder = "{folder}" }}\n'


def _pictures(count: int) -> list[bytes]:
    rng = np.random.default_rng(5)
    files = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        stream = io.BytesIO()
        coarse.resize(SIZE, Image.Resampling.BICUBIC).save(stream, "PNG")
        files.append(stream.getvalue())
    return files


def _contest(model: str, folder: Path, files: Sequence[bytes], num_rounds: int) -> list[Row]:
    scratch = folder / f"contest-{model}"
    scratch.mkdir()
    bare_bytes = _bare_peak(model, folder / model, scratch, files)
    environment = {"BRUSHWORK_CATALOGUE": str(folder / "catalogue.toml"), "BRUSHWORK_MODELS": model}
    asked = {"kind": KINDS[model], "model": model}
    with brushwork_up(
        OURS, scratch / "data", asked, concurrency=len(files), workers=1, environment=environment
    ) as queue:
        store = ArtifactStore(queue.client.settings.artifacts_url)
        jobs = [{"image": store.put_picture(file).sha256} for file in files]
        bare = in_its_thread(lambda: BareVision(model, folder / model))
        # Nobody is frozen meanwhile: a turn takes longer than a lease.
        stage = Stage([])
        rows = []
        for way, turns in _turns(queue, jobs, bare, files).items():
            take_turns(turns, 1, stage)
            seconds = take_turns(turns, num_rounds, stage)
            rows += [_row(model, way, turns, seconds, name, len(files)) for name in turns]
        peaks = {OURS: peak_bytes(queue.client.workers()[0].pid), BARE: bare_bytes}
    return [{**row, **_memory(peaks, row["contestant"])} for row in rows]


def _memory(peaks: Mapping[str, int], name: str) -> Row:
    return {"peak_mib": peaks[name] / MIB, "of_bare_memory": peaks[name] / peaks[BARE]}


def _bare_peak(model: str, folder: Path, scratch: Path, files: Sequence[bytes]) -> int:
    """Of a process of its own, for this one also holds what measures."""
    paths = []
    for index, file in enumerate(files):
        paths.append(scratch / f"{index}.png")
        paths[-1].write_bytes(file)
    argv = [sys.executable, "-m", "benchmarks.bare_vision", model, str(folder), *map(str, paths)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, env=own_environment())
    return int(done.stdout)


class Turn:
    """A contestant's way through all pictures, which also notes the processor time that it took.

    Args:
        go: Goes that way; returns the seconds.
        process: Whose processor time counts.
    """

    def __init__(self, go: Callable[[], float], process: psutil.Process) -> None:
        self._go = go
        self._process = process
        self.cpu_s: list[float] = []

    def __call__(self) -> float:
        """Go once."""
        before = self._spent()
        seconds = self._go()
        self.cpu_s.append(self._spent() - before)
        return seconds

    def _spent(self) -> float:
        spent = self._process.cpu_times()
        return float(spent.user + spent.system)


def _turns(queue: Queue, jobs: Sequence[Job], bare: BareVision, files: Sequence[bytes]) -> dict[str, Ways]:
    """By way and contestant."""
    this, worker = psutil.Process(), psutil.Process(queue.client.workers()[0].pid)

    def one_by_one() -> None:
        for file in files:
            bare.answer_all([file])

    ours: dict[str, Callable[[], float]] = {
        ONE_BY_ONE: partial(_timed, partial(_one_by_one, queue, jobs)),
        AT_ONCE: partial(queue.burst, jobs),
    }
    theirs: dict[str, Callable[[], object]] = {
        ONE_BY_ONE: one_by_one,
        AT_ONCE: partial(bare.answer_all, files),
    }
    return {
        way: {
            OURS: Turn(ours[way], worker),
            BARE: Turn(partial(_timed, partial(in_its_thread, theirs[way])), this),
        }
        for way in (ONE_BY_ONE, AT_ONCE)
    }


def _one_by_one(queue: Queue, jobs: Sequence[Job]) -> None:
    for job in jobs:
        queue.answer(job)


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _row(model: str, way: str, turns: Ways, seconds: Seconds, name: str, num_pictures: int) -> Row:
    rounds = seconds[name]
    # The first turn is for warming up.
    cpu_s = {each: turn.cpu_s[-len(rounds) :] for each, turn in turns.items()}
    return {
        "model": model,
        "way": way,
        "contestant": name,
        "s_per_picture": statistics.median(rounds) / num_pictures,
        # One: as long as the bare call; two: twice as long.
        "of_bare": times_faster(seconds[BARE], rounds),
        "cpu_s_per_picture": statistics.median(cpu_s[name]) / num_pictures,
        "of_bare_cpu": times_faster(cpu_s[BARE], cpu_s[name]),
        "rounds": rounds,
        "cpu_rounds": cpu_s[name],
    }


def draw(rows: list[Row], file: Path) -> None:
    """Seconds for a picture, a panel for each model and way."""
    panels: dict[str, dict[str, float]] = {}
    for row in rows:
        panels.setdefault(f"{row['model']}, {row['way']}", {})[row["contestant"]] = row["s_per_picture"]
    plot.bars(file, panels, "s a picture")


COLUMNS = {
    "contestant": "contestant",
    "model": "model",
    "way": "pictures come",
    "s_per_picture": "s a picture",
    "of_bare": "time, of the bare call's",
    "cpu_s_per_picture": "processor time, s",
    "of_bare_cpu": "of the bare call's",
    "peak_mib": "peak memory, MiB",
    "of_bare_memory": "of the bare call's",
}

BENCHMARK = Benchmark(
    name="full_size",
    title="fcn_resnet101 and resnet50 at full size, through the queue and bare.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
