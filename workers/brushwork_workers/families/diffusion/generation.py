"""Runs of a pipeline with progress and previews, shared by all kinds that generate pictures."""

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import torch
from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import NotFinite
from brushwork_schemas.kinds.explanations.changed_words import WordChange, changes_of, num_runs
from brushwork_schemas.kinds.explanations.request import method_of
from brushwork_schemas.kinds.generation import GenerationRequest
from brushwork_schemas.warnings import ResultWarning, result_warning
from PIL import Image

from brushwork_workers.batching.call_options import Adapters
from brushwork_workers.explanations.extra_runs import RunSteps
from brushwork_workers.explanations.words import (
    HIDDEN,
    NOT_FINITE,
    ChangedPicture,
    OwnPicture,
    words_explained,
)
from brushwork_workers.families.diffusion.arguments import arguments_of, ignored_parameters
from brushwork_workers.families.diffusion.conditioning.conditioning import Conditioning, Steering
from brushwork_workers.families.diffusion.conditioning.unknown_words import UnknownWords
from brushwork_workers.families.diffusion.controlnets import ControlNets
from brushwork_workers.families.diffusion.decoder_input import decoder_input
from brushwork_workers.families.diffusion.forecast import Forecast
from brushwork_workers.families.diffusion.latent_colours import LatentColours
from brushwork_workers.families.diffusion.loras import Loras
from brushwork_workers.families.diffusion.picture_size import resized, stretched
from brushwork_workers.families.diffusion.pipelines import Pipelines
from brushwork_workers.families.diffusion.run_checks import RunChecks, run_checked
from brushwork_workers.families.diffusion.seeded_autoencoder import SeededAutoencoder
from brushwork_workers.families.finite import is_plain
from brushwork_workers.families.step_skipping import StepSkipping
from brushwork_workers.interface import JobContext
from brushwork_workers.models.description.call_arguments import fitted_arguments, pictures_of

LOGGER = logging.getLogger(__name__)
_WARM_UP_SIDE = 64


@dataclass(frozen=True)
class PreparedGeneration:
    """The inputs of a pipeline run that are not fields of its request.

    Args:
        kind: The kind of the job.
        width: The width of the pictures, in pixels.
        height: The height of the pictures, in pixels.
        own: Arguments that only pipelines of this kind, or with this ControlNet, take.
        controlnet: The loaded module of the ControlNet, if the request names one.
        adapters: The LoRA adapters of the denoiser and the text encoders.
        steering: What steers the run besides its prompt as plain text.
        warnings: What the preparation has changed.
    """

    kind: str
    width: int | None
    height: int | None
    own: dict[str, Any]
    controlnet: Any = None
    adapters: Adapters | None = None
    steering: Steering = field(default_factory=Steering)
    warnings: Sequence[ResultWarning] = ()


_Request = TypeVar("_Request", bound=GenerationRequest)
Prepare = Callable[[_Request], PreparedGeneration]


class Generation:
    """Runs the pipelines of one loaded model.

    Args:
        pipelines: The pipelines of the model.
        loras: The LoRA adapters that jobs may use.
        controlnets: The ControlNets that jobs may use.
        conditioning: What else can steer jobs.
        colours: Turns latents into preview pictures; None if the model has no previews.
        model: The catalogue entry of the model.
    """

    def __init__(
        self,
        pipelines: Pipelines,
        loras: Loras,
        controlnets: ControlNets,
        conditioning: Conditioning,
        colours: LatentColours | None = None,
        *,
        model: Model,
    ) -> None:
        self._model = model
        self.pipelines = pipelines
        self._loras = loras
        self._controlnets = controlnets
        self._conditioning = conditioning
        self._colours = colours
        self._unknown_words = UnknownWords(pipelines.loaded.components.values())

    @property
    def loras(self) -> Loras:
        """The LoRA adapters that jobs may use."""
        return self._loras

    @property
    def colours(self) -> LatentColours | None:
        """Turns latents into preview pictures; None if the model has no previews."""
        return self._colours

    @property
    def unknown_words(self) -> UnknownWords:
        """Knows the words of the model's tokenizer."""
        return self._unknown_words

    def run(self, request: _Request, context: JobContext, prepare: Prepare[_Request]) -> dict[str, Any]:
        """Generate the pictures of one job. Picture i has the seed `seed + i`.

        Args:
            request: The request.
            context: The context of the job.
            prepare: Returns the inputs for a request. It is called again for each changed prompt of an
                explanation.

        Returns:
            The fields of a `GenerationResult`, without `provenance`.
        """
        changes = changes_of(request) if method_of(request) == "words" else None
        steps = None if changes is None else RunSteps(context, num_runs(changes))
        own = context if steps is None else steps.own_run()
        prepared = self._with_conditions(request, own, prepare(request))
        seed = request.seed or 0
        seeds = tuple(seed + index for index in range(request.num_images_per_prompt))
        output = self._output(request, own, prepared, seeds)
        flags = getattr(output, "nsfw_content_detected", None)
        pictures = pictures_of(output)
        # A pipeline that separates layers makes several pictures with one seed.
        seeds = tuple(each for each in seeds for _ in range(len(pictures) // len(seeds)))
        if plain := _unexpectedly_plain(pictures, flags, prepared):
            context.warn(result_warning("picture_constant", pictures=plain))
        images = tuple(
            context.save_picture(picture, seed=each) for picture, each in zip(pictures, seeds, strict=True)
        )
        fields = {
            "images": images,
            "seed": seed,
            "seeds": seeds,
            "nsfw_content_detected": None if flags is None else tuple(bool(each) for each in flags),
        }
        if changes is not None and steps is not None:
            first = OwnPicture(pictures[0], images[0], seeds[0], is_hidden=bool(flags and flags[0]))
            found = {} if first.is_hidden else self._changed_pictures(request, steps, prepare, changes)
            fields["explanation"] = words_explained(context, first, changes, found)
        return fields

    def _changed_pictures(
        self, request: _Request, steps: RunSteps, prepare: Prepare[_Request], changes: Sequence[WordChange]
    ) -> dict[str, ChangedPicture]:
        """Return the pictures of changed prompts, each of a complete run with the seed of the first one."""
        prompts = list(dict.fromkeys(prompt for change in changes for prompt in change.prompts))
        runs = []
        for prompt in prompts:
            changed = request.model_copy(update={"prompt": prompt, "num_images_per_prompt": 1})
            context = steps.extra_run()
            # Here, because inputs are read in the thread of the job only.
            prepared = self._with_conditions(changed, context, prepare(changed))
            runs.append(partial(self._changed_picture, changed, context, prepared))
        found = self.pipelines.run_beside(runs, on_done=steps.note_ended)
        return dict(zip(prompts, found, strict=True))

    def _changed_picture(
        self, request: GenerationRequest, context: JobContext, prepared: PreparedGeneration
    ) -> ChangedPicture:
        try:
            output = self._output(request, context, prepared, (request.seed or 0,))
        except NotFinite as error:
            LOGGER.warning("A changed prompt has no picture: %s", error)
            return ChangedPicture(None, NOT_FINITE)
        if (getattr(output, "nsfw_content_detected", None) or [False])[0]:
            return ChangedPicture(None, HIDDEN)
        return ChangedPicture(pictures_of(output)[0])

    def _with_conditions(
        self, request: GenerationRequest, context: JobContext, prepared: PreparedGeneration
    ) -> PreparedGeneration:
        prepared = replace(prepared, steering=self._conditioning.select(request, context))
        for warning in (
            *self._unknown_words.warnings(**prepared.steering.texts(request)),
            *ignored_parameters(request, self._model, prepared.kind, self.pipelines.loaded),
            *prepared.warnings,
        ):
            context.warn(warning)
        return self._with_add_ons(request, context, prepared)

    def _output(
        self,
        request: GenerationRequest,
        context: JobContext,
        prepared: PreparedGeneration,
        seeds: tuple[int, ...],
    ) -> Any:
        def run(checks: RunChecks, adapters: Adapters | None = prepared.adapters) -> Any:
            changed = replace(prepared, adapters=adapters)
            # Apart from its model calls, a pipeline waits for nothing.
            return self.pipelines.run(lambda: self._run_pipeline(request, changed, seeds, context, checks))

        has_adapters = any(choice.weight for choice in request.loras)
        return run_checked(
            run,
            model=self._model.name,
            prompts=prepared.steering.texts(request),
            warn=context.warn,
            without_adapters=partial(run, adapters=self._loras.select(())) if has_adapters else None,
        )

    def warm_up(self, request: GenerationRequest, prepared: PreparedGeneration) -> None:
        """Run the pipeline for a request and discard the pictures. See `Pipelines.observe`."""
        number = request.num_images_per_prompt
        if ("control_image",) in self._model.required_fields(prepared.kind):
            # A pipeline with a ControlNet of its own, or one whose denoiser takes the control picture.
            black = Image.new("RGB", (prepared.width or _WARM_UP_SIDE, prepared.height or _WARM_UP_SIDE))
            prepared = replace(prepared, own={**prepared.own, "control_image": black})

        def run(seed: int) -> Any:
            # Two jobs are seldom asked for the same. Prompts of other lengths are padded in other ways.
            changed = request.model_copy(update={"prompt": request.prompt + ", another" * seed})
            return self._run_pipeline(changed, prepared, (seed,) * number)

        self.pipelines.observe(prepared.kind, run)

    def _with_add_ons(
        self, request: GenerationRequest, context: JobContext, prepared: PreparedGeneration
    ) -> PreparedGeneration:
        prepared = replace(prepared, adapters=self._loras.select(request.loras))
        for warning in self._loras.warnings(request.loras):
            context.warn(warning)
        if request.control_image is None:
            return prepared
        picture = context.picture(request.control_image)
        size = (prepared.width or picture.width, prepared.height or picture.height)
        for warning in stretched("control_image", picture.size, size):
            context.warn(warning)
        if request.controlnet is None:
            own = {"control_image": resized(picture, size)}
            return replace(prepared, own={**prepared.own, **own})
        controlnet = self._controlnets.named(request.controlnet)
        control = self._controlnets.arguments(request, prepared.kind, picture, size)
        return replace(prepared, controlnet=controlnet, own={**prepared.own, **control})

    def _run_pipeline(
        self,
        request: GenerationRequest,
        prepared: PreparedGeneration,
        seeds: tuple[int, ...],
        context: JobContext | None = None,
        checks: RunChecks | None = None,
    ) -> Any:
        pipeline = self.pipelines.new(
            prepared.kind,
            scheduler=request.scheduler,
            pixels=(prepared.width or 1) * (prepared.height or 1),
            controlnet=prepared.controlnet,
            adapters=prepared.adapters,
            checks=checks,
            seed=seeds[0],
        )
        if prepared.controlnet is not None:
            pipeline.__dict__["vae"] = SeededAutoencoder(pipeline.vae, seeds)
        self._conditioning.attach(pipeline, prepared.steering, prepared.adapters)
        skipping = StepSkipping(pipeline, request.acceleration) if request.acceleration else None
        steps = request.num_inference_steps or 0
        reporter = (
            None if context is None else _StepReporter(context, steps, prepared, pipeline, self._colours)
        )
        arguments = arguments_of(request, self.pipelines.family, pipeline)
        arguments = self._conditioning.arguments(pipeline, prepared.kind, prepared.steering, arguments)
        sizes = {"width": prepared.width, "height": prepared.height}
        arguments |= _accepted_arguments(pipeline, **{name: side for name, side in sizes.items() if side})
        arguments |= {**(reporter.arguments() if reporter else {}), **prepared.own}
        # On the CPU, so that a seed gives the same random numbers on every device.
        arguments["generator"] = [torch.Generator("cpu").manual_seed(each) for each in seeds]
        if self._model.pipeline is not None or context is None:
            further = self._model.pipeline.arguments if self._model.pipeline is not None else {}
            # FLUX Kontext would scale its pictures to a megapixel, whatever size is asked for.
            further = {"_auto_resize": False, **further}
            arguments = fitted_arguments({**further, **arguments}, pipeline)
        output = pipeline(**arguments)
        if skipping is not None and context is not None:
            skipping.report(context)
        return output


def _unexpectedly_plain(
    pictures: Sequence[Image.Image], flags: Sequence[bool] | None, prepared: PreparedGeneration
) -> list[str]:
    """Return the numbers of pictures of one colour, unless the safety checker or the input explains it."""
    given = prepared.own.get("image")
    # Both kinds that begin with a picture pass a list of copies; for a ControlNet it is another picture.
    if isinstance(given, list) and is_plain(given[0]):
        return []
    hidden = flags or [False] * len(pictures)
    return [
        str(number)
        for number, (picture, is_hidden) in enumerate(zip(pictures, hidden, strict=True), start=1)
        if not is_hidden and is_plain(picture)
    ]


def _accepted_arguments(pipeline: Any, **arguments: Any) -> dict[str, Any]:
    """Return those of the arguments that the pipeline accepts."""
    known = inspect.signature(type(pipeline).__call__).parameters
    return {name: value for name, value in arguments.items() if name in known}


class _StepReporter:
    """Reports progress and previews of a running pipeline.

    Args:
        context: The context of the job.
        num_steps: The number of steps that the request asks for.
        prepared: The run, which has the size of the pictures.
        pipeline: The running pipeline.
        colours: Turns latents into preview pictures; None if the model has no previews.
    """

    def __init__(
        self,
        context: JobContext,
        num_steps: int,
        prepared: PreparedGeneration,
        pipeline: Any,
        colours: LatentColours | None,
    ) -> None:
        self._context = context
        self._num_steps = num_steps
        self._prepared = prepared
        self._pipeline = pipeline
        self._colours = colours
        self._forecast = Forecast(pipeline.components.get("scheduler"))

    def arguments(self) -> dict[str, Callable[..., Any]]:
        """Return the callback argument of the pipeline; without one, the scheduler reports the steps.

        PixArt supports only the older form.
        """
        newer, older = {"callback_on_step_end": self._on_step_end}, {"callback": self._on_step}
        found = _accepted_arguments(self._pipeline, **newer) or _accepted_arguments(self._pipeline, **older)
        if not found:
            self._forecast.listener = self._on_scheduler_step
        return found

    def _on_scheduler_step(self, step: int, num_steps: int, latents: Any) -> None:
        self._num_steps = num_steps
        self._on_step(step, None, latents)

    def _on_step_end(
        self, pipeline: Any, step: int, timestep: object, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        self._on_step(step, timestep, tensors.get("latents"))
        return {}

    def _on_step(self, step: int, timestep: object, latents: torch.Tensor | None) -> None:
        # Some schedulers need more model calls than steps. The pipeline has their number.
        self._context.progress(step + 1, getattr(self._pipeline, "num_timesteps", self._num_steps))
        if self._colours is not None and self._context.wants_preview():
            predicted = self._forecast.latents
            shown = latents if predicted is None else predicted
            if shown is not None:
                self._show(shown, self._colours)

    def _show(self, latents: torch.Tensor, colours: LatentColours) -> None:
        try:
            picture = self._picture(latents, colours)
            if picture is not None:
                self._context.show_preview(picture)
        # A job must not fail because of a preview.
        except Exception as error:
            LOGGER.debug("No preview: %r", error)

    def _picture(self, latents: torch.Tensor, colours: LatentColours) -> Image.Image | None:
        if colours.of_decoder:
            found = decoder_input(self._forecast.latents)
            if found is None:
                return None
            latents = found
        # Flux and similar models keep latents as a sequence of patches.
        if latents.ndim == 3:
            sides = self._prepared.height, self._prepared.width
            latents = self._pipeline._unpack_latents(latents, *sides, self._pipeline.vae_scale_factor)
        # The latents of Qwen-Image are those of a video with one frame.
        return colours.picture(latents[:, :, 0] if latents.ndim == 5 else latents)
