"""Throughput of two image classifiers with pictures of 224x224, in jobs per second.

python -m benchmarks.image_classification [--jobs 512] [--models pocket-classifier resnet18] [--rounds 3]
    [--engine onnxruntime]
"""

import argparse
import base64
import io
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.catalogue.catalogue import PACKAGED
from brushwork_workers.pocket import WEIGHTS
from PIL import Image

from benchmarks import plot
from benchmarks.brushwork_queue import (
    Queue,
    add_defaults_option,
    brushwork_as_it_comes,
    ours,
    tuned_brushwork,
)
from benchmarks.command import Benchmark, Options
from benchmarks.contestant import Job
from benchmarks.engine_entries import ENGINE_HELP, TORCH, save_with_engine
from benchmarks.in_process import InProcess, in_its_thread
from benchmarks.label_pictures import drawn_pngs
from benchmarks.peer_choice import DEFAULTS, SHARE_OF_DEFAULTS, PeerChoice
from benchmarks.peers.stock import Classifier
from benchmarks.plain_celery import Work
from benchmarks.random_classifier import save_resnet18
from benchmarks.report import Row
from benchmarks.rounds import Seconds, Stage, per_job, take_turns, times_faster

KIND = "image-classification"
CEILING = "ceiling: decoded pictures, in process"
BATCH = 64
# resnet18 takes several times as long as the pocket classifier.
SHARE = {"pocket-classifier": 1, "resnet18": 4}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the size of the measurement."""
    parser.add_argument(
        "--jobs", type=int, default=512, help="jobs submitted at once; a quarter of them for resnet18"
    )
    parser.add_argument("--models", nargs="+", choices=SHARE, default=list(SHARE))
    parser.add_argument("--rounds", type=int, default=3)
    add_defaults_option(parser)
    parser.add_argument("--engine", default=TORCH, help=ENGINE_HELP)


def measure(options: Options, folder: Path) -> list[Row]:
    """Seconds of each contestant for each model, in turns."""
    catalogue = save_resnet18(folder / "resnet18")
    folders = {"pocket-classifier": WEIGHTS / "pocket-classifier", "resnet18": folder / "resnet18"}
    rows: list[Row] = []
    for model in options.models:
        print(f" {model}", flush=True)
        files = drawn_pngs(max(4, options.jobs // SHARE[model]))
        source = catalogue if model == "resnet18" else PACKAGED
        own = save_with_engine(model, options.engine, folder / f"{model}.toml", source)
        contest = Contest(model, folders[model], own, files)
        seconds = contest.seconds(folder / f"contest-{model}", options)
        rows += _rows(model, seconds)
    return rows


class Contest:
    """All contestants for one model.

    Args:
        model: Its name in the catalogue.
        folder: Its files.
        catalogue: The file that names it.
        files: The pictures, one for each job.
    """

    def __init__(self, model: str, folder: Path, catalogue: Path, files: Sequence[bytes]) -> None:
        self._model = model
        self._folder = folder
        self._catalogue = catalogue
        self._files = files
        # What a peer's message holds.
        self._messages: list[Job] = [{"image": base64.b64encode(file).decode("ascii")} for file in files]

    def seconds(self, scratch: Path, options: Options) -> Seconds:
        """Seconds for one job, of each round."""
        scratch.mkdir()
        work = Work("classify", self._folder)
        choice = PeerChoice(scratch, work, self._messages[: 2 * BATCH], options.peers)
        with ExitStack() as stack:
            peers = [*choice.tuned_litserve(stack), *choice.celeries(stack)]
            queue = self._brushwork(stack, scratch, options)
            uploads = _uploaded(queue, self._files)
            turns: dict[str, Callable[[], float]] = {queue.name: partial(queue.burst, uploads)}
            queues = [queue]
            if options.defaults:
                queues.append(brushwork_as_it_comes(stack, scratch, self._asked, self._environment(scratch)))
                turns[queues[1].name] = partial(queues[1].burst, _uploaded(queues[1], self._files))
            ceiling = self._ceiling()
            turns[CEILING] = partial(ceiling.burst, self._messages)
            stage = Stage([*queues, ceiling, *peers])
            turns |= {peer.name: partial(peer.burst, self._share(peer.name)) for peer in peers}
            counts = {name: len(self._share(name)) for name in turns}
            take_turns(turns, 1, stage)
            return per_job(take_turns(turns, options.rounds, stage), counts)

    def _share(self, name: str) -> Sequence[Job]:
        """The messages of one contestant's turn."""
        return self._messages[:: SHARE_OF_DEFAULTS if name == DEFAULTS else 1]

    @property
    def _asked(self) -> dict[str, str]:
        return {"kind": KIND, "model": self._model}

    def _environment(self, scratch: Path) -> dict[str, str]:
        return {
            "BRUSHWORK_MAX_BATCH_ROWS": str(BATCH),
            "BRUSHWORK_CATALOGUE": str(self._catalogue),
            "BRUSHWORK_MODELS": self._model,
            "BRUSHWORK_CACHE_FILES": str(scratch / "cache"),
        }

    def _brushwork(self, stack: ExitStack, scratch: Path, options: Options) -> Queue:
        return tuned_brushwork(
            stack,
            scratch,
            self._asked,
            lambda queue: _uploaded(queue, self._files),
            workers=options.workers,
            concurrency=BATCH,
            environment=self._environment(scratch),
        )

    def _ceiling(self) -> InProcess:
        """Batches of pictures that are decoded before the clock starts; resizing is part of the work."""
        classifier = in_its_thread(lambda: Classifier(self._folder))
        pictures = [Image.open(io.BytesIO(file)).convert("RGB") for file in self._files]

        def classify(jobs: Sequence[Job]) -> None:
            for first in range(0, len(pictures), BATCH):
                classifier.classify([classifier.prepared(each) for each in pictures[first : first + BATCH]])

        return InProcess(CEILING, classify)


def _uploaded(queue: Queue, files: Sequence[bytes]) -> list[Job]:
    """Jobs that name their pictures, which are in the store before the clock starts."""
    store = ArtifactStore(queue.client.settings.artifacts_url)
    return [{"image": store.put_picture(file).sha256} for file in files]


def _rows(model: str, seconds: Seconds) -> list[Row]:
    return [
        {
            "model": model,
            "contestant": name,
            "per_s": 1 / statistics.median(taken),
            "of_ceiling": times_faster(taken, seconds[CEILING]),
            "brushwork_is": times_faster(ours(seconds), taken),
            "rounds": taken,
        }
        for name, taken in seconds.items()
    ]


def draw(rows: list[Row], file: Path) -> None:
    """Jobs per second, a panel for each model."""
    panels: dict[str, dict[str, float]] = {}
    for row in rows:
        panels.setdefault(row["model"], {})[row["contestant"]] = row["per_s"]
    plot.bars(file, panels, "jobs/s")


COLUMNS = {
    "model": "model",
    "contestant": "contestant",
    "per_s": "jobs/s",
    "of_ceiling": "of the ceiling",
    "brushwork_is": "brushwork is ... times as fast",
}

BENCHMARK = Benchmark(
    name="image_classification",
    title="Labels for pictures of 224x224, all at once.",
    add_options=add_options,
    measure=measure,
    columns=COLUMNS,
    draw=draw,
)

if __name__ == "__main__":
    BENCHMARK.main()
