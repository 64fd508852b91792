"""Four models that share memory for two: how often models are loaded, and how long jobs wait.

    python -m benchmarks.model_mix [--seconds 90] [--stays 2 10]

Four ResNet-50 of random weights, a real worker on the CPU, its queue in Redis, its ledger in SQLite. For each
model there are callers that send one request after another. This is the worst mix: half of the requests need
a model that is not loaded. The table is written to docs/model_cache.md, with the figures beside it.
"""

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from brushwork_schemas.job import Job
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import resnet50

from benchmarks import machine
from benchmarks.report import DOCS, Record, Row, enter, table
from tests.servers import RedisServer
from tests.serving import Serving, serving

NAME, KIND = "model_mix", "image-classification"
MODELS, ROOM = ("one", "two", "three", "four"), 2
COLUMNS = {
    "stay_s": "stay (s)",
    "jobs": "jobs",
    "loads": "loads",
    "loads_an_hour": "loads an hour",
    "bound_an_hour": "bound",
    "median_s": "median wait (s)",
    "worst_s": "worst wait (s)",
    "peak_share": "most of the budget in use",
    "rss_mib": "peak RSS (MiB)",
}
_ENTRY = '[models.{name}]\nfamily = "torchvision-classifier"\nsource = {{ folder = "{folder}" }}\n'
_CHANGE = re.compile(r"Model (\w+) (is ready|left the device)")


def main() -> None:
    """Measure with each stay, and write the table."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{NAME}", description="Models that take turns."
    )
    parser.add_argument("--seconds", type=float, default=90.0, help="duration of the load for each stay")
    parser.add_argument(
        "--stays", type=float, nargs="+", default=[2.0, 10.0], help="values of BRUSHWORK_MODEL_STAY_S"
    )
    parser.add_argument("--callers", type=int, default=2, help="callers per model")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="brushwork-benchmark-") as folder:
        rows = [_measured(Path(folder) / str(stay_s), stay_s, options) for stay_s in options.stays]
    record = Record(machine.facts(), vars(options), rows)
    record.save(DOCS / "benchmarks" / f"{NAME}.json")
    text = f"{table(rows, COLUMNS)}\n\n{machine.sentence(record.machine)}"
    enter(DOCS / "model_cache.md", NAME, text)
    print(text)


def _measured(folder: Path, stay_s: float, options: argparse.Namespace) -> Row:
    model = _saved(folder / "resnet50")
    size = (model / "model.safetensors").stat().st_size
    budget = int((ROOM + 0.5) * size)
    catalogue = folder / "catalogue.toml"
    catalogue.write_text("".join(_ENTRY.format(name=name, folder=model) for name in MODELS))
    room: dict[str, Any] = {"model_memory_gb": budget / 2**30, "model_stay_s": stay_s}
    redis = RedisServer(folder).start()
    try:
        names = ",".join(MODELS)
        with serving(catalogue, redis, folder, kinds=KIND, models=names, by_command=True, **room) as served:
            before = len(_loads(served))
            jobs = _asked(served, options.seconds, options.callers)
            return _row(jobs, served, stay_s, options.seconds, len(_loads(served)) - before, size / budget)
    finally:
        redis.stop()


def _asked(served: Serving, seconds: float, callers: int) -> list[Job]:
    """The results of the jobs of all callers."""
    until = time.monotonic() + seconds

    def ask(name: str) -> list[Job]:
        picture = Image.new("RGB", (224, 224), "red")
        jobs = []
        while time.monotonic() < until:
            jobs.append(served.one(KIND, model=name, image=picture))
        return jobs

    with ThreadPoolExecutor(callers * len(MODELS)) as threads:
        return [job for jobs in threads.map(ask, MODELS * callers) for job in jobs]


def _row(
    jobs: Sequence[Job], served: Serving, stay_s: float, seconds: float, num_loads: int, share: float
) -> Row:
    waits = [
        (job.finished_at - job.created_at).total_seconds() - job.result.provenance.timings.running_s
        for job in jobs
        if job.finished_at and job.result
    ]
    return {
        "stay_s": stay_s,
        "jobs": len(jobs),
        "loads": num_loads,
        "loads_an_hour": round(num_loads * 3600 / seconds),
        "bound_an_hour": round(ROOM * 3600 / stay_s),
        "median_s": round(statistics.median(waits), 2),
        "worst_s": round(max(waits), 1),
        "peak_share": round(_most_at_once(served) * share, 2),
        "rss_mib": _peak_rss_mib(served),
    }


def _loads(served: Serving) -> list[str]:
    return [name for name, what in _CHANGE.findall(served.worker.log.read_text()) if what == "is ready"]


def _most_at_once(served: Serving) -> int:
    there: set[str] = set()
    most = 0
    for name, what in _CHANGE.findall(served.worker.log.read_text()):
        there = there | {name} if what == "is ready" else there - {name}
        most = max(most, len(there))
    return most


def _peak_rss_mib(served: Serving) -> int:
    status = Path(f"/proc/{served.worker.process.pid}/status").read_text()
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(peak) // 1024


def _saved(folder: Path) -> Path:
    """ResNet-50 of random weights, as the catalogue has torchvision's networks."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    save_file(resnet50(num_classes=10).state_dict(), folder / "model.safetensors")
    config = {
        "library": "torchvision",
        "model": {"constructor": "torchvision.models.resnet50", "kwargs": {"num_classes": 10}},
        "labels": [str(number) for number in range(10)],
        "preprocess": {"resize": 224, "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


if __name__ == "__main__":
    main()
