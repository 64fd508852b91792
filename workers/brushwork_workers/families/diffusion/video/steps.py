"""Progress and previews of a running video pipeline."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

import torch
from brushwork_schemas.kinds.video import VideoRequest
from PIL import Image

from brushwork_workers.families.diffusion.forecast import Forecast
from brushwork_workers.families.diffusion.latent_colours import LatentColours
from brushwork_workers.interface import JobContext

LOGGER = logging.getLogger(__name__)


class VideoSteps:
    """Reports the steps of one of the videos of a job, and shows its middle frame.

    Args:
        context: The context of the job.
        request: The request.
        index: Number of the video among those of the job.
        colours: Turns latents into preview pictures; None if the model has no previews.
    """

    def __init__(
        self, context: JobContext, request: VideoRequest, index: int, colours: LatentColours | None
    ) -> None:
        self._context = context
        self._request = request
        self._index = index
        self._colours = colours
        self._pipeline: Any = None
        self._forecast: Forecast | None = None

    def arguments(self, pipeline: Any) -> dict[str, Callable[..., Any]]:
        """Return the callback argument of a pipeline that is about to run. Some have only the older form."""
        known = inspect.signature(type(pipeline).__call__).parameters
        self._pipeline = pipeline
        self._forecast = Forecast(pipeline.scheduler) if hasattr(pipeline, "scheduler") else None
        if "callback_on_step_end" in known:
            return {"callback_on_step_end": self._on_step_end}
        return {"callback": self._on_step} if "callback" in known else {}

    def _on_step_end(
        self, pipeline: Any, step: int, timestep: object, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        self._on_step(step, timestep, tensors["latents"])
        return {}

    def _on_step(self, step: int, timestep: object, latents: torch.Tensor) -> None:
        # Some schedulers need more model calls than steps. The pipeline has their number.
        steps = getattr(self._pipeline, "num_timesteps", None) or self._request.num_inference_steps or 1
        total = steps * self._request.num_videos_per_prompt
        self._context.progress(min(self._index * steps + step + 1, total), total)
        if self._colours is not None and self._context.wants_preview():
            predicted = None if self._forecast is None else self._forecast.latents
            self._show(latents if predicted is None else predicted, self._colours)

    def _show(self, latents: torch.Tensor, colours: LatentColours) -> None:
        try:
            self._context.show_preview(self._picture(latents, colours))
        # A job must not fail because of a preview.
        except Exception as error:
            LOGGER.debug("No preview: %r", error)

    def _picture(self, latents: torch.Tensor, colours: LatentColours) -> Image.Image:
        """Show the frame in the middle: the first one of a video from a picture says nothing."""
        if latents.ndim == 3:
            latents = self._unpacked(latents)
        if latents.ndim == 5:
            channels = self._pipeline.vae.config.latent_channels
            # CogVideoX and Stable Video Diffusion have the frames before the channels.
            video = latents[0] if latents.shape[2] == channels else latents[0].transpose(0, 1)
        else:
            # The scheduler of a pipeline with a UNet may see each frame as a picture.
            video = latents
        return colours.picture(video[len(video) // 2][None])

    def _unpacked(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents of LTX, a sequence of patches, as a video (1, channels, frames, height, width)."""
        pipeline, request = self._pipeline, self._request
        frames = ((request.num_frames or 1) - 1) // pipeline.vae_temporal_compression_ratio + 1
        ratio = pipeline.vae_spatial_compression_ratio
        sides = ((request.height or 0) // ratio, (request.width or 0) // ratio)
        patches = (pipeline.transformer_spatial_patch_size, pipeline.transformer_temporal_patch_size)
        unpacked: torch.Tensor = pipeline._unpack_latents(latents, frames, *sides, *patches)
        return unpacked
