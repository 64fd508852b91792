"""Eight jobs at once of tiny pipelines through catalogue, queue and worker, compared with stock pipelines."""

import copy
import inspect
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import tomlkit
import torch
from brushwork_core.provenance.marks.mp4 import encoded_video
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import UnknownModelClass
from brushwork_schemas.job import Job
from brushwork_workers.models.description.call_arguments import pictures_of
from brushwork_workers.models.description.pipeline_kinds import kinds_of
from brushwork_workers.models.recognition import recognise
from PIL import Image

from tests.moving_pictures import decoded, difference
from tests.pipelines import flux, lossless_worker
from tests.pipelines.comparison import NUM_JOBS, loaded, save
from tests.pipelines.served_requests import ServedTrial, of_entry, served_kind
from tests.pipelines.trial import Trial
from tests.servers import RedisServer
from tests.serving import Serving, serving

LEVELS = 255
# One that follows a control picture of its own, with an argument of its entry.
QUICK = {"FluxControlPipeline": flux.TRIALS["FluxControlPipeline"]}
_OF_PRIOR, _OF_DECODER = "prior_guidance_scale", "decoder_guidance_scale"


@dataclass(frozen=True)
class ServedComparison:
    """What came of the jobs of one pipeline class.

    Args:
        name: The class.
        kind: The kind of the jobs; empty if no kind serves the class.
        difference: The largest difference that the 8 bits of the served pictures prove, of the range. For
            videos: the mean difference between the decoded file and the stock frames in the same encoding,
            which loses nothing but half of the colours.
        changed: Which part of the values has another of 256 levels than the rounded stock picture: the mean
            difference is about this part of a level. For videos: which part of the decoded values differs.
        spread: Standard deviation of the plainest stock picture, of the range.
        effect: The largest difference between two stock pictures, of the range.
        reason: Why the class is not served, or what failed.
        is_refused: Whether the model was refused when it was added.
    """

    name: str
    kind: str = ""
    difference: float = 0.0
    changed: float = 0.0
    spread: float = 0.0
    effect: float = 0.0
    reason: str = ""
    is_refused: bool = False


def compare_served(
    trials: dict[str, Trial], models_per_worker: int, num_jobs: int = NUM_JOBS
) -> Iterator[ServedComparison]:
    """Serve pipelines, some at a time by one worker, and compare their jobs with the stock pipelines.

    Args:
        trials: The pipelines, by class.
        models_per_worker: How many models one worker process serves.
        num_jobs: How many jobs of each pipeline are in the queue at once.
    """
    lossless_worker.encode_without_loss()
    names = list(trials)
    for first in range(0, len(names), models_per_worker):
        part = {name: trials[name] for name in names[first : first + models_per_worker]}
        with tempfile.TemporaryDirectory() as folder:
            yield from _of_worker(part, Path(folder), num_jobs)


def _of_worker(trials: dict[str, Trial], folder: Path, num_jobs: int) -> Iterator[ServedComparison]:
    served: dict[str, ServedTrial] = {}
    for name, trial in trials.items():
        try:
            served[name] = added(name, trial, folder / name)
        except UnknownModelClass as error:
            yield ServedComparison(name, reason=str(error), is_refused=True)
    if not served:
        return
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(entries(served.values()))
    redis = RedisServer(folder)
    kinds = ",".join(sorted({each.kind for each in served.values()}))
    try:
        names = ",".join(each.model.name for each in served.values())
        found = {"kinds": kinds, "models": names, "command": lossless_worker.__name__}
        with serving(catalogue, redis.start(), folder, **found) as running:
            for name, each in served.items():
                yield compared(name, each, folder / name, running, num_jobs)
    finally:
        redis.stop()


def save_quick(folder: Path) -> str:
    """Save the pipelines of `QUICK`, and return their catalogue entries.

    Args:
        folder: Where the folder of each goes.
    """
    served = [added(name, trial, folder / name) for name, trial in QUICK.items()]
    return f"\n{entries(served)}\n"


def added(name: str, trial: Trial, folder: Path) -> ServedTrial:
    """Save a pipeline and describe it as `brushwork models add` does.

    Raises:
        UnknownModelClass: No kind serves the class.
    """
    save(trial, folder)
    return described(name, trial, folder)


def described(name: str, trial: Trial, folder: Path) -> ServedTrial:
    """Return the model that `brushwork models add` makes of a saved pipeline.

    Raises:
        UnknownModelClass: No kind serves the class.
    """
    trial = trial if trial.guidance != _OF_DECODER else _guided_by_prior(trial)
    entry = recognise(f"tiny-{name}", Source(folder=folder), family="diffusers").entry
    assert isinstance(entry, Model)
    assert entry.pipeline is not None
    arguments = {**entry.pipeline.arguments, **of_entry(trial)}
    described = entry.pipeline.model_copy(update={"arguments": arguments})
    own = [kind for kind in kinds_of(getattr(diffusers, name)) if kind in entry.kinds]
    kind = served_kind(trial, tuple(own))
    return ServedTrial(trial, entry.model_copy(update={"pipeline": described, "kinds": (kind,)}), kind)


def _guided_by_prior(trial: Trial) -> Trial:
    """Return the trial of a cascade as requests ask for it: their guidance is that of the prior."""
    own = {name: value for name, value in trial.own.items() if name != _OF_PRIOR}
    return replace(trial, own=own, guidance=_OF_PRIOR)


def entries(served: Any) -> str:
    """Return the catalogue of the models."""
    tables = {
        each.model.name: {
            "family": "diffusers",
            "source": {"folder": str(each.model.source.folder)},
            "kinds": [each.kind],
            "pipeline": each.model.pipeline.model_dump(mode="json", exclude_defaults=True),
        }
        for each in served
    }
    return tomlkit.dumps({"models": tables})


def compared(
    name: str, served: ServedTrial, folder: Path, running: Serving, num_jobs: int
) -> ServedComparison:
    """Run the jobs of one pipeline at once, and compare each with the stock pipeline called alone."""
    try:
        jobs = running.all([served.request(index) for index in range(num_jobs)])
        unused = loaded(folder)
        stock = [_alone(served, copy.deepcopy(unused), index) for index in range(num_jobs)]
        found = [_difference(job, made) for job, made in zip(jobs, stock, strict=True)]
    except Exception as error:
        return ServedComparison(name, served.kind, reason=f"{type(error).__name__}: {error}")
    arrays = [np.stack([_floats(frame) for frame in made]) for made in stock]
    return ServedComparison(
        name,
        served.kind,
        difference=max(difference for difference, _ in found),
        changed=max(changed for _, changed in found),
        spread=min(float(array.std()) for array in arrays),
        effect=max(_distance(arrays[0], other) for other in arrays[1:]),
    )


def _alone(served: ServedTrial, pipeline: Any, index: int) -> list[Any]:
    """Return the pictures or frames of a job, made by a stock pipeline that nobody else has used."""
    if (name := served.scheduler(index)) is not None:
        pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config)
    arguments = served.call(index, pipeline)
    known = inspect.signature(type(pipeline).__call__).parameters
    general = {"generator": torch.Generator().manual_seed(index), "output_type": "np"}
    torch.manual_seed(index)
    output = pipeline(**{name: value for name, value in general.items() if name in known}, **arguments)
    return list(output.frames[0]) if hasattr(output, "frames") else pictures_of(output)


def _difference(job: Job, made: Sequence[Any]) -> tuple[float, float]:
    """Return how far a result is proven to be from that of a stock pipeline, and which part has changed."""
    if hasattr(job.result, "videos"):
        (video,) = job.result.videos
        shown = decoded(video.file.bytes())
        expected = decoded(encoded_video([_picture(frame) for frame in made], video.fps))
        assert len(shown) == len(expected), f"{len(shown)} frames instead of {len(expected)}"
        pairs = zip(shown, expected, strict=True)
        changed = np.mean([np.mean(np.asarray(one) != np.asarray(other)) for one, other in pairs])
        return difference(shown, expected), float(changed)
    found = [
        picture_difference(image.pil(), each) for image, each in zip(job.result.images, made, strict=True)
    ]
    return max(proven for proven, _ in found), max(changed for _, changed in found)


def picture_difference(served: Image.Image, stock: Any) -> tuple[float, float]:
    """Compare a served picture with the floats of a stock pipeline.

    A value of 8 bits stands for all floats that are rounded to it. The difference is the distance from the
    stock value to the nearest of these: less than the true difference by up to one level for a single value,
    but of thousands of values some are near a boundary, where it is close to the true one. A small difference
    of all values shows in how many of them are rounded to another level.

    Args:
        served: The picture that was fetched.
        stock: Floats from 0 to 1, (height, width, 3), or a picture.

    Returns:
        The largest difference, of the range; the part of the values that have another level, from 0 to 1.
    """
    floats = np.clip(_floats(stock), 0, 1)
    levels = np.asarray(served.convert("RGB"), dtype=np.float64)
    assert levels.shape == floats.shape, f"{served.size} instead of {floats.shape[1::-1]}"
    beyond = np.abs(floats * LEVELS - levels) - 0.5
    changed = np.mean(np.abs(np.round(floats * LEVELS) - levels) > 0)
    # float32 rounds to 6e-8 of the range.
    return max(0.0, float(beyond.max())) / LEVELS, float(changed)


def _floats(made: Any) -> Any:
    if isinstance(made, Image.Image):
        return np.asarray(made.convert("RGB"), dtype=np.float64) / LEVELS
    return np.asarray(made, dtype=np.float64)


def _picture(made: Any) -> Image.Image:
    if isinstance(made, Image.Image):
        return made
    return Image.fromarray((np.asarray(made) * LEVELS).round().clip(0, LEVELS).astype("uint8"))


def _distance(one: Any, other: Any) -> float:
    return 1.0 if one.shape != other.shape else float(np.abs(one - other).max())


def written(found: ServedComparison) -> str:
    """Return a line of a file of results."""
    return json.dumps(asdict(found))


def read(file: Path) -> dict[str, ServedComparison]:
    """Return the results of a file, by class; the last one of a class counts."""
    lines = file.read_text().splitlines() if file.exists() else []
    found = [ServedComparison(**json.loads(line)) for line in lines]
    return {each.name: each for each in found}
