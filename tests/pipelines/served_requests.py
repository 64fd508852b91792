"""The request for a job of a trial, and the call of the stock pipeline that it stands for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.catalogue import Model
from PIL import Image

from tests.pipelines.trial import Trial

# Arguments of calls that requests have as fields.
_FIELDS = {
    **{name: name for name in ("width", "height", "strength", "num_frames", "image_guidance_scale", "fps")},
    **{name: name for name in ("image", "mask_image", "control_image")},
    "video_length": "num_frames",
}
# What brushwork itself passes: areas from the size of the result, and timesteps from the number of steps.
_FOUND = frozenset({"_auto_resize", "max_area", "intermediate_timesteps"})
# The number of steps that a timestep between them is for: with it, the pipeline has its default.
_STEPS_BETWEEN = 2
_PICTURE_KINDS = ("image-to-image", "inpainting", "image-editing", "image-to-video")
_FPS = 8


@dataclass(frozen=True)
class ServedTrial:
    """A trial that a model of a catalogue serves.

    Args:
        trial: The pipeline and the arguments of its jobs.
        model: The catalogue entry of the model.
        kind: The kind of the jobs.
    """

    trial: Trial
    model: Model
    kind: str

    def request(self, index: int) -> dict[str, Any]:
        """Return the request of a job.

        Args:
            index: The number of the job.
        """
        return {"kind": self.kind, "model": self.model.name, "seed": index, **self._fields(index)}

    def call(self, index: int, pipeline: Any) -> dict[str, Any]:
        """Return the arguments of the stock pipeline for a job, without its generator.

        Args:
            index: The number of the job.
            pipeline: The stock pipeline. The scale of a guider is set in it.
        """
        fields, trial = self._fields(index), self.trial
        given = {
            name: value for name, value in trial.arguments(index).items() if name not in constants(trial)
        }
        given |= of_entry(trial) | {name: trial.own[name] for name in _FOUND & trial.own.keys()}
        for name, field in _FIELDS.items():
            if name in given and field in fields:
                given[name] = fields[field]
        if "images" in fields:
            given["image"] = fields["images"]
        if fields.get("num_inference_steps") == _STEPS_BETWEEN:
            given.pop("intermediate_timesteps", None)
        if trial.guidance is None and "guidance_scale" in fields:
            pipeline.guider = pipeline.guider.new(guidance_scale=fields["guidance_scale"])
        return given

    def scheduler(self, index: int) -> str | None:
        """Return the scheduler of a job; None is the model's own.

        Args:
            index: The number of the job.
        """
        asked = self.trial.scheduler(index)
        return asked if asked in self.model.schedulers else None

    def _fields(self, index: int) -> dict[str, Any]:
        trial = self.trial
        given = trial.arguments(index)
        found = {field: given[name] for name, field in _FIELDS.items() if name in given}
        if trial.steps is not None:
            found["num_inference_steps"] = given[trial.steps]
        if trial.guidance is not None:
            found["guidance_scale"] = given[trial.guidance]
        elif self.model.accepts_field(self.kind, "guidance_scale"):
            found["guidance_scale"] = trial.scales[index % len(trial.scales)]
        if trial.prompt is not None:
            found["prompt"] = given[trial.prompt]
        if (name := self.scheduler(index)) is not None:
            found["scheduler"] = name
        if self.kind == "image-editing":
            found["images"] = found.pop("image")
        return self._sized(found)

    def _sized(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Round sides up to what the model takes, and pictures with them."""
        multiple = self.model.multiple_of
        for name, value in fields.items():
            if name in ("width", "height"):
                fields[name] = _rounded(value, multiple)
            elif isinstance(value, Image.Image):
                size = tuple(_rounded(side, multiple) for side in value.size)
                fields[name] = value if value.size == size else value.resize(size)
        return fields


def served_kind(trial: Trial, kinds: tuple[str, ...]) -> str:
    """Return which of the kinds of a pipeline class the jobs of a trial are.

    Args:
        trial: The trial.
        kinds: Kinds that the class itself serves; at least one.
    """
    of_picture = [kind for kind in kinds if kind in _PICTURE_KINDS]
    return of_picture[0] if "image" in trial.own and of_picture else kinds[0]


def constants(trial: Trial) -> dict[str, Any]:
    """Return arguments that no request has: those of the first job, for all jobs."""
    first = trial.arguments(0)
    given = {trial.steps, trial.guidance, trial.prompt, *_FIELDS}
    return {name: value for name, value in first.items() if name not in given}


def of_entry(trial: Trial) -> Mapping[str, Any]:
    """Return the arguments that the catalogue entry gets, as an operator would write them."""
    # TOML has no null: the stock pipeline is called without such an argument, too.
    return {
        name: value for name, value in constants(trial).items() if value is not None and name not in _FOUND
    }


def _rounded(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
