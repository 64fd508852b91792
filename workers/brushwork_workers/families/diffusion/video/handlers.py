"""The handlers of text-to-video and image-to-video, for any video pipeline of diffusers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.video import VideoRequest, check_pixels
from brushwork_schemas.kinds.video.image_to_video import ImageToVideoRequest
from brushwork_schemas.kinds.video.text_to_video import TextToVideoRequest
from brushwork_schemas.warnings import ResultWarning, result_warning
from PIL import Image

from brushwork_workers.batching.call_options import Adapters
from brushwork_workers.families.diffusion.generation import Generation
from brushwork_workers.families.diffusion.picture_size import (
    picture_size,
    resized,
    size_warnings,
    warm_up_fields,
)
from brushwork_workers.families.diffusion.run_checks import RunChecks, run_checked
from brushwork_workers.families.diffusion.video.arguments import frames_of, temporal_ratio, video_arguments
from brushwork_workers.families.diffusion.video.steps import VideoSteps
from brushwork_workers.families.diffusion.video.texts_per_frame import folding, unfold_in
from brushwork_workers.interface import JobContext

TEXT_TO_VIDEO, IMAGE_TO_VIDEO = "text-to-video", "image-to-video"


@dataclass(frozen=True)
class PreparedVideo:
    """The inputs of a pipeline run that are not fields of its request.

    Args:
        kind: The kind of the job.
        size: Width and height of the video, in pixels; 0 leaves a side to the pipeline.
        own: Arguments that only pipelines of this kind take.
        warnings: What the preparation has changed.
    """

    kind: str
    size: tuple[int, int]
    own: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[ResultWarning] = ()


class VideoGeneration:
    """Runs the video pipelines of one loaded model.

    Args:
        model: The catalogue entry of the model.
        generation: Has the pipelines of the model, its adapters and the colours of its latents.
    """

    def __init__(self, model: Model, generation: Generation) -> None:
        self._model = model
        self._generation = generation
        for module in generation.pipelines.modules:
            unfold_in(module)

    @property
    def shortest(self) -> int:
        """The fewest frames that move."""
        ratio = temporal_ratio(self._generation.pipelines.loaded)
        return 1 + max(ratio, self._model.frames_multiple_of)

    def run(self, request: VideoRequest, context: JobContext, prepared: PreparedVideo) -> dict[str, Any]:
        """Generate the videos of one job, one after another. Video i has the seed `seed + i`.

        Returns:
            The fields of a `VideoResult`, without `provenance`.
        """
        check_pixels(request, prepared.size, self._model)
        texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
        loras = self._generation.loras
        adapters = loras.select(request.loras)
        for warning in (
            *self._generation.unknown_words.warnings(**texts),
            *prepared.warnings,
            *loras.warnings(request.loras),
        ):
            context.warn(warning)
        seed = request.seed or 0
        seeds = tuple(seed + index for index in range(request.num_videos_per_prompt))
        videos = []
        for index, each in enumerate(seeds):
            steps = VideoSteps(context, request, index, self._generation.colours)
            frames = self._checked(request, context, prepared, each, steps, adapters)
            if len(frames) != request.num_frames:
                counts = {"given": request.num_frames or 0, "used": len(frames)}
                context.warn(result_warning("frames_rounded", "num_frames", **counts))
            videos.append(context.save_video(frames, request.fps or 1, seed=each))
        return {"videos": tuple(videos), "seed": seed, "seeds": seeds}

    def warm_up(self, request: VideoRequest, prepared: PreparedVideo) -> None:
        """Run the pipeline for a request and discard the frames. See `Pipelines.observe`."""

        def run(seed: int) -> Any:
            changed = request.model_copy(update={"prompt": request.prompt + ", another" * seed})
            return self._run_pipeline(changed, prepared, seed, None, None, None)

        self._generation.pipelines.observe(prepared.kind, run)

    def _checked(
        self,
        request: VideoRequest,
        context: JobContext,
        prepared: PreparedVideo,
        seed: int,
        steps: VideoSteps,
        adapters: Adapters | None,
    ) -> list[Image.Image]:
        pipelines, loras = self._generation.pipelines, self._generation.loras

        def run(checks: RunChecks, adapters: Adapters | None = adapters) -> Any:
            # Apart from its model calls, a pipeline waits for nothing.
            return pipelines.run(lambda: self._run_pipeline(request, prepared, seed, steps, adapters, checks))

        has_adapters = any(choice.weight for choice in request.loras)
        output = run_checked(
            run,
            model=self._model.name,
            prompts={"prompt": request.prompt, "negative_prompt": request.negative_prompt},
            warn=context.warn,
            without_adapters=partial(run, adapters=loras.select(())) if has_adapters else None,
        )
        return frames_of(output)

    def _run_pipeline(
        self,
        request: VideoRequest,
        prepared: PreparedVideo,
        seed: int,
        steps: VideoSteps | None,
        adapters: Adapters | None,
        checks: RunChecks | None,
    ) -> Any:
        width, height = prepared.size
        pipeline = self._generation.pipelines.new(
            prepared.kind,
            scheduler=request.scheduler,
            pixels=width * height * (request.num_frames or 1),
            adapters=adapters,
            checks=checks,
            seed=seed,
        )
        if "unet" in pipeline.__dict__:
            pipeline.__dict__["unet"] = folding(pipeline.__dict__["unet"])
        further = self._model.pipeline.arguments if self._model.pipeline is not None else {}
        return pipeline(
            **{**further, **video_arguments(request, prepared.size, prepared.own, pipeline)},
            # On the CPU, so that a seed gives the same random numbers on every device.
            generator=torch.Generator("cpu").manual_seed(seed),
            **(steps.arguments(pipeline) if steps else {}),
        )


class TextToVideo:
    """Handles text-to-video.

    Args:
        model: The catalogue entry of the model.
        generation: As for `VideoGeneration`.
    """

    def __init__(self, model: Model, generation: Generation) -> None:
        self._model = model
        self._videos = VideoGeneration(model, generation)

    def warm_up(self) -> None:
        """Generate a short, small video in two steps, with the default settings of the model."""
        fields = {**warm_up_fields(self._model, TEXT_TO_VIDEO), "num_frames": self._videos.shortest}
        request = TextToVideoRequest.model_validate(fields)
        self._videos.warm_up(request, _of_request(request))

    def perform(self, request: TextToVideoRequest, context: JobContext) -> dict[str, Any]:
        """Generate the videos of one job."""
        return self._videos.run(request, context, _of_request(request))


class ImageToVideo:
    """Handles image-to-video.

    Args:
        model: The catalogue entry of the model.
        generation: As for `VideoGeneration`.
    """

    def __init__(self, model: Model, generation: Generation) -> None:
        self._model = model
        self._videos = VideoGeneration(model, generation)

    def warm_up(self) -> None:
        """Generate a short, small video from a black picture."""
        fields = {
            **warm_up_fields(self._model, IMAGE_TO_VIDEO),
            "image": "0" * 64,
            "num_frames": self._videos.shortest,
        }
        request = ImageToVideoRequest.model_validate(fields)
        black = Image.new("RGB", (request.width or 64, request.height or 64))
        self._videos.warm_up(request, self._prepared(request, black))

    def perform(self, request: ImageToVideoRequest, context: JobContext) -> dict[str, Any]:
        """Generate the videos of one job."""
        prepared = self._prepared(request, context.picture(request.image))
        return self._videos.run(request, context, prepared)

    def _prepared(self, request: ImageToVideoRequest, picture: Image.Image) -> PreparedVideo:
        size = picture_size(picture.size, request, self._model, IMAGE_TO_VIDEO)
        warnings = size_warnings(picture.size, size, request, self._model)
        return PreparedVideo(IMAGE_TO_VIDEO, size, {"image": resized(picture, size)}, warnings)


def _of_request(request: TextToVideoRequest) -> PreparedVideo:
    return PreparedVideo(TEXT_TO_VIDEO, (request.width or 0, request.height or 0))
