"""Engines compared with torch: the same calls in one process, without queue, in turns.

python -m benchmarks.engines [--engines onnxruntime openvino openvino:bfloat16] [--jobs 64] [--steps 25]
    [--cpu-time]

Pictures: 64 of pocket-diffusion in one static batch, by the stock pipeline of diffusers whose modules an
engine runs. Labels: batches of 64 prepared pictures. The first run exports the models, which takes a minute.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_workers.engines.attached_engines import AttachedEngines
from brushwork_workers.engines.engine_store import EngineStore
from brushwork_workers.engines.model_engines import order_for
from brushwork_workers.families.engine_modules import modules_of_pipeline
from brushwork_workers.models.location import locate
from brushwork_workers.pocket import WEIGHTS
from brushwork_workers.process.engine_export import engine_store
from torch import nn

from benchmarks import painting_jobs, plot
from benchmarks.command import Benchmark, Options
from benchmarks.engine_entries import TORCH, save_with_engine
from benchmarks.in_process import InProcess, in_its_thread
from benchmarks.peers.stock import Classifier, Painter
from benchmarks.random_classifier import save_resnet18
from benchmarks.report import Row
from benchmarks.rounds import Seconds, Stage, take_turns, times_faster

PICTURES = "pocket-diffusion"
ROWS = 64
# Batches of 64 in a turn: a turn of each model takes about a second.
BATCHES = {"pocket-classifier": 24, "resnet18": 1}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument(
        "--engines", nargs="+", default=["onnxruntime", "openvino", "openvino:bfloat16"], help="besides torch"
    )
    parser.add_argument("--models", nargs="+", default=[PICTURES, *BATCHES], choices=[PICTURES, *BATCHES])
    parser.add_argument("--jobs", type=int, default=ROWS, help="pictures that are generated at once")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="measure the processor's time with one thread: on a busy machine it says more than seconds",
    )


def measure(options: Options, folder: Path) -> list[Row]:
    """Seconds of each engine for each model, in turns."""
    store = engine_store()
    if options.cpu_time:
        in_its_thread(partial(torch.set_num_threads, 1))
    rows: list[Row] = []
    for model in options.models:
        print(f" {model}", flush=True)
        make = partial(_painter, options) if model == PICTURES else partial(_classifier, model, folder)
        contestants, ran = [], {}
        for engine in [TORCH, *options.engines]:
            entry = _entry(model, engine, folder)
            do, modules = in_its_thread(make)
            ran[engine] = _attach(store, entry, modules)
            contestants.append(InProcess(engine, do))
        turns = {one.name: partial(_seconds, one, options) for one in contestants}
        take_turns(turns, 1, Stage(contestants))
        rows += _rows(model, take_turns(turns, options.rounds, Stage(contestants)), ran)
    return rows


def _seconds(contestant: InProcess, options: Options) -> float:
    began = time.process_time()
    taken = contestant.burst([])
    return time.process_time() - began if options.cpu_time else taken


def _entry(name: str, engine: str, folder: Path) -> Model:
    """Return the catalogue entry of a model with an engine."""
    place = folder / engine.replace(":", "-")
    files = {"resnet18": lambda: save_resnet18(place)} if name == "resnet18" else {}
    given = {"catalogue": files[name]()} if files else {}
    catalogue = Catalogue.load(save_with_engine(name, engine, folder / f"{place.name}-{name}.toml", **given))
    entry = catalogue.entry(name)
    assert isinstance(entry, Model)  # noqa: S101 - it is not an add-on
    return entry


Made = tuple[Callable[[Sequence[Any]], object], Mapping[str, nn.Module]]


def _painter(options: Options) -> Made:
    painter = Painter(painting_jobs.MODEL)
    jobs = painting_jobs.equal(options.jobs, options.steps)
    return lambda _: painter.paint(jobs), modules_of_pipeline(painter._pipeline)


def _classifier(model: str, folder: Path) -> Made:
    place = WEIGHTS / model if model != "resnet18" else folder / TORCH
    classifier = Classifier(place)
    batch = list(torch.randn(ROWS, 3, 224, 224, generator=torch.Generator().manual_seed(0)))

    def classify(_: Sequence[Any]) -> None:
        for _number in range(BATCHES[model]):
            classifier.classify(batch)

    return classify, {"network": classifier._network}


def _attach(store: EngineStore, entry: Model, modules: Mapping[str, nn.Module]) -> str:
    """Let the engine of an entry run the modules, and return what runs them."""
    if entry.engine == TORCH:
        return "torch"
    order = order_for(entry, locate(entry), in_its_thread(torch.get_num_threads))
    exported = store.get(order)
    AttachedEngines(entry.name, store.folder(order), exported, order.num_threads).attach(modules)
    return exported.summary()


def _rows(model: str, seconds: Seconds, ran: Mapping[str, str]) -> list[Row]:
    return [
        {
            "model": model,
            "engine": engine,
            "seconds": statistics.median(taken),
            "of_torch": times_faster(taken, seconds[TORCH]),
            "ran": ran[engine],
            "rounds": taken,
        }
        for engine, taken in seconds.items()
    ]


def draw(rows: list[Row], file: Path) -> None:
    """How many times as fast as torch each engine is, a panel for each model."""
    panels: dict[str, dict[str, float]] = {}
    for row in rows:
        panels.setdefault(row["model"], {})[row["engine"]] = row["of_torch"]
    plot.bars(file, panels, "times as fast as torch")


COLUMNS = {
    "model": "model",
    "engine": "engine",
    "seconds": "seconds, median",
    "of_torch": "times as fast as torch",
    "ran": "what ran",
}

BENCHMARK = Benchmark(
    name="engines",
    title="The same calls in torch and in engines.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
