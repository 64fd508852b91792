"""Eight jobs of a pipeline at once, compared with the stock pipeline that each of them calls alone."""

import copy
import inspect
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.families.diffusion.pipeline_copies.output_distance import distance
from brushwork_workers.models.description.deprecated_pipelines import find_deprecated_modules

from tests.pipelines.trial import Trial
from tests.stops import Going

NUM_JOBS = 8
# Of the range of values.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Comparison:
    """What came of the jobs of one pipeline.

    Args:
        difference: The largest difference from the stock pipeline, of the range of values.
        spread: The smallest standard deviation of a result; that of a plain picture is 0.
        rows: Mean number of calls in a batch.
        own: The modules of which each job has a copy.
        draws: Whether draws from global random generators were redirected.
        effect: The largest difference between two of the expected results.
    """

    difference: float
    spread: float
    rows: float
    own: tuple[str, ...]
    draws: bool
    effect: float


def compare(trial: Trial, folder: Path, num_jobs: int = NUM_JOBS) -> Comparison:
    """Save a pipeline, load it twice, and run its jobs alone and all at once.

    Args:
        trial: The pipeline and its jobs.
        folder: Where it is saved.
        num_jobs: How many jobs.
    """
    save(trial, folder)
    expected = _alone(trial, loaded(folder), num_jobs)
    pipeline = loaded(folder)
    sizes: list[int] = []
    batcher = Batcher(64, 10**9, lambda ran: sizes.append(len(ran.batch.calls)), is_cooperative=True)
    try:
        copies = PipelineCopies(pipeline, batcher, CallOptions("tiny"))
        copies.observe(lambda seed: _call(trial, copies.new(seed=seed), seed, seed))
        made = _together(trial, copies, batcher, num_jobs)
    finally:
        batcher.close()
    parts, isolation = copies._parts_of(pipeline), copies._isolation
    return Comparison(
        difference=max(distance(one, other) for one, other in zip(expected, made, strict=True)),
        spread=min(_spread(each) for each in expected),
        rows=float(np.mean(sizes)),
        own=tuple(name for name, module in parts.modules.items() if id(module) in isolation.own),
        draws=isolation.has_draws,
        effect=max(distance(expected[0], other) for other in expected[1:]),
    )


def save(trial: Trial, folder: Path) -> None:
    """Save a pipeline, with an index that diffusers can read.

    Args:
        trial: The pipeline.
        folder: Where it is saved.
    """
    built = trial.build()
    built.save_pretrained(folder)
    file = folder / "model_index.json"
    index = json.loads(file.read_text())
    for name, component in built.components.items():
        # diffusers 0.42 writes its own name for modules of deprecated pipelines. Published folders name the
        # pipeline.
        is_of_diffusers = isinstance(index.get(name), list) and index[name][0] == "diffusers"
        if is_of_diffusers and not hasattr(diffusers, type(component).__name__):
            index[name][0] = type(component).__module__.split(".")[-2]
    file.write_text(json.dumps(index))


def loaded(folder: Path) -> Any:
    """Load a pipeline as a worker does."""
    index = json.loads((folder / "model_index.json").read_text())
    absent = {name: None for name, of in index.items() if of == [None, None]}
    find_deprecated_modules()
    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True, **absent)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _alone(trial: Trial, stock: Any, num_jobs: int) -> list[Any]:
    """Each job in a pipeline that nobody else has used."""
    results = []
    for index in range(num_jobs):
        own = copy.deepcopy(stock)
        if (name := trial.scheduler(index)) is not None:
            own.scheduler = getattr(diffusers, name).from_config(own.scheduler.config)
        torch.manual_seed(index)
        results.append(_call(trial, own, index, index))
    return results


def _together(trial: Trial, copies: PipelineCopies, batcher: Batcher, num_jobs: int) -> list[Any]:
    start = threading.Barrier(num_jobs)

    def job(index: int) -> Any:
        start.wait()
        with batcher.job(Going(), model="tiny"):
            made = copies.new(trial.scheduler(index), seed=index)
            return batcher.run(lambda: _call(trial, made, index, index))

    with ThreadPoolExecutor(num_jobs) as threads:
        return list(threads.map(job, range(num_jobs)))


def _call(trial: Trial, pipeline: Any, index: int, seed: int) -> Any:
    known = inspect.signature(type(pipeline).__call__).parameters
    general = {"generator": torch.Generator().manual_seed(seed), "output_type": "np"}
    arguments = {name: value for name, value in general.items() if name in known}
    return pipeline(**{**arguments, **trial.arguments(index)})


def _spread(result: Any) -> float:
    leaves = torch.utils._pytree.tree_leaves(result)
    arrays = [
        np.asarray(leaf, dtype=np.float64) for leaf in leaves if not isinstance(leaf, (str, bool, type(None)))
    ]
    return min((float(array.std()) for array in arrays if array.size > 1), default=0.0)
