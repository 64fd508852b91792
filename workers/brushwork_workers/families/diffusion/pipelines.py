"""The pipelines of one loaded model: one class of diffusers for each kind, with shared components."""

import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

import diffusers
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from torch import nn

from brushwork_workers.batching.call_options import Adapters, CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.families.diffusion.pipeline_copies.observation import Run
from brushwork_workers.families.diffusion.run_checks import RunChecks
from brushwork_workers.families.diffusion.schedulers import check_begins_with_picture
from brushwork_workers.families.known_cells.pipeline import KnownCellsInpaintPipeline, inpaints_known_cells
from brushwork_workers.models.description.pipeline_kinds import classes_by_kind, with_controlnet

# For each kind: the class, and the class with a ControlNet, if diffusers has one. Inpainting classes whose
# control picture is the input picture are left out, because they take no separate control picture.
_CLASSES: dict[str, dict[str, tuple[str, str | None]]] = {
    "stable-diffusion": {
        "text-to-image": ("StableDiffusionPipeline", "StableDiffusionControlNetPipeline"),
        "image-to-image": ("StableDiffusionImg2ImgPipeline", "StableDiffusionControlNetImg2ImgPipeline"),
        "inpainting": ("StableDiffusionInpaintPipeline", "StableDiffusionControlNetInpaintPipeline"),
    },
    "stable-diffusion-xl": {
        "text-to-image": ("StableDiffusionXLPipeline", "StableDiffusionXLControlNetPipeline"),
        "image-to-image": ("StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLControlNetImg2ImgPipeline"),
        "inpainting": ("StableDiffusionXLInpaintPipeline", "StableDiffusionXLControlNetInpaintPipeline"),
    },
    "stable-diffusion-3": {
        "text-to-image": ("StableDiffusion3Pipeline", "StableDiffusion3ControlNetPipeline"),
        "image-to-image": ("StableDiffusion3Img2ImgPipeline", None),
        "inpainting": ("StableDiffusion3InpaintPipeline", None),
    },
    "flux": {
        "text-to-image": ("FluxPipeline", "FluxControlNetPipeline"),
        "image-to-image": ("FluxImg2ImgPipeline", "FluxControlNetImg2ImgPipeline"),
        "inpainting": ("FluxInpaintPipeline", "FluxControlNetInpaintPipeline"),
    },
    "qwen-image": {
        "text-to-image": ("QwenImagePipeline", "QwenImageControlNetPipeline"),
        "image-to-image": ("QwenImageImg2ImgPipeline", None),
        "inpainting": ("QwenImageInpaintPipeline", None),
    },
    "pixart-sigma": {"text-to-image": ("PixArtSigmaPipeline", None)},
    "sana": {"text-to-image": ("SanaPipeline", "SanaControlNetPipeline")},
}
_T = TypeVar("_T")
# Kinds that add noise to a picture.
_BEGINS_WITH_PICTURE = ("image-to-image", "inpainting")
_KNOWN_CELLS = KnownCellsInpaintPipeline.__name__


class Pipelines:
    """Makes a pipeline for each job, of the class that its kind needs.

    `from_pipe` of diffusers is not used, because it casts the shared weights to float32 by default and shares
    the scheduler.

    Args:
        pipeline: The loaded `DiffusionPipeline`, of the class that its folder names.
        family: The name of the model's family.
        model_executor: Runs the calls of the heavy modules.
        options: Options of these calls. Part, pixels and adapters are set for each job.
    """

    def __init__(
        self, pipeline: Any, family: str, model_executor: ModelExecutor, options: CallOptions
    ) -> None:
        self.loaded = pipeline
        self.family = family
        self._model_executor = model_executor
        self._copies = PipelineCopies(pipeline, model_executor, options)
        self._built: dict[tuple[str, int], Any] = {}
        self._building = threading.Lock()

    @property
    def modules(self) -> list[nn.Module]:
        """All modules with weights, without add-ons."""
        return self._copies.modules

    def new(
        self,
        kind: str,
        *,
        scheduler: str | None = None,
        pixels: int = 1,
        controlnet: Any = None,
        adapters: Adapters | None = None,
        checks: RunChecks | None = None,
        seed: int | None = None,
    ) -> Any:
        """Return a pipeline for one job, with proxies of the modules and its own scheduler.

        Args:
            kind: The kind of the job.
            scheduler: The name of a scheduler class of diffusers; by default that of the model.
            pixels: The pixels of one picture that the job generates.
            controlnet: The loaded module of a ControlNet, if the job uses one. It is replaced by a proxy.
            adapters: The adapters of the denoiser and the text encoders.
            checks: Checks the values of the run; None to check nothing.
            seed: The seed of the job, for draws from global random generators; None to leave these draws.

        Raises:
            InvalidRequest: diffusers has no such scheduler or pipeline, or the scheduler does not fit the
                model or the kind.
        """
        original = self._original(self.class_name(kind, has_controlnet=controlnet is not None), controlnet)
        pipeline = self._copies.new(
            scheduler, pixels, original=original, adapters=adapters, checks=checks, seed=seed
        )
        if kind in _BEGINS_WITH_PICTURE:
            check_begins_with_picture(
                self.loaded.components.get("scheduler"), pipeline.components.get("scheduler")
            )
        return pipeline

    def observe(self, kind: str, run: Run) -> None:
        """Run the pipeline of a kind, and find out what keeps its jobs apart. Call it before any job runs.

        The classes of the seven families run once: the tests compare them with diffusers.

        Args:
            kind: The kind of the jobs.
            run: Makes a pipeline with `new` for a job with the given seed, runs it and returns its output.

        Raises:
            ModelUnavailable: Jobs of this model cannot be kept apart.
        """
        if self.family in _CLASSES and not self._copies.has_foreign_modules:
            run(0)
        else:
            self._copies.observe(run, self._original(self.class_name(kind), None))

    def run(self, function: Callable[[], _T]) -> _T:
        """Run a pipeline of one job. See `ModelExecutor.run`.

        Args:
            function: Makes the pipeline and calls it.
        """
        return self._model_executor.run(function)

    def run_beside(
        self, functions: Sequence[Callable[[], _T]], *, on_done: Callable[[int], None] | None = None
    ) -> list[_T]:
        """Run further pipelines of one job at once. See `ModelExecutor.run_beside`.

        Args:
            functions: Each makes a pipeline and calls it.
            on_done: Called with the number of functions that have ended.
        """
        return self._model_executor.run_beside(functions, on_done=on_done)

    def class_name(self, kind: str, *, has_controlnet: bool = False) -> str:
        """Return the name of the class whose pipelines serve a kind.

        Raises:
            InvalidRequest: The kind has no pipelines with a ControlNet.
        """
        plain, with_controlnet = self._classes(kind)
        if not has_controlnet:
            return plain
        if with_controlnet is None:
            raise InvalidRequest(
                said(
                    "controlnet: models of the family {family} support no {kind} with a ControlNet.",
                    family=self.family,
                    kind=kind,
                ),
                field="controlnet",
                hint="Leave out controlnet and control_image, or choose a model of another family.",
            )
        return with_controlnet

    def _classes(self, kind: str) -> tuple[str, str | None]:
        is_stable_diffusion = self.family == "stable-diffusion" and kind == "inpainting"
        if is_stable_diffusion and inpaints_known_cells(getattr(self.loaded, "unet", None)):
            return _KNOWN_CELLS, None
        if self.family in _CLASSES:
            return _CLASSES[self.family][kind]
        name = classes_by_kind(type(self.loaded), frozenset(self.loaded.components))[kind].__name__
        return name, getattr(with_controlnet(name), "__name__", None)

    def _original(self, class_name: str, controlnet: Any) -> Any:
        """Return the pipeline that jobs get copies of. It is built once and kept."""
        if type(self.loaded).__name__ == class_name:
            return self.loaded
        with self._building:
            key = class_name, id(controlnet)
            if key not in self._built:
                self._built[key] = self._build(class_name, controlnet)
            return self._built[key]

    def _build(self, class_name: str, controlnet: Any) -> Any:
        own = {_KNOWN_CELLS: KnownCellsInpaintPipeline}
        pipeline_type = own.get(class_name) or getattr(diffusers, class_name)
        parameters = inspect.signature(pipeline_type.__init__).parameters
        if controlnet is not None:
            _check_class(controlnet, parameters["controlnet"].annotation)
        # Components come last, because the configuration has entries with the same names.
        components = {**self.loaded.config, **self.loaded.components, "controlnet": controlnet}
        pipeline = pipeline_type(**{name: value for name, value in components.items() if name in parameters})
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def _check_class(controlnet: Any, expected: Any) -> None:
    """Check that a ControlNet has the class that a pipeline names for it.

    Raises:
        InvalidRequest: It has another class.
    """
    classes = [
        each for each in (expected, *get_args(expected)) if isinstance(each, type) and not get_args(each)
    ]
    if classes and not isinstance(controlnet, tuple(classes)):
        raise InvalidRequest(
            said(
                "controlnet: it is a {found}, and this model needs a {expected}.",
                found=type(controlnet).__name__,
                expected=classes[0].__name__,
            ),
            field="controlnet",
            hint="Choose a ControlNet that was trained for this model.",
        )
