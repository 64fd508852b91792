"""The arguments of a video pipeline for a request, by its call signature; and the frames of its output."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from brushwork_schemas.kinds.video import VideoRequest
from PIL import Image

# Names that pipelines have for a field of the request, the usual one first.
_NAMES = {
    "num_frames": ("num_frames", "video_length"),
    "fps": ("fps", "frame_rate", "target_fps"),
    "guidance_scale": ("guidance_scale", "max_guidance_scale"),
}
# Where a pipeline states how many frames stand for one of its latents, after the first.
_RATIOS = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio", "vae_temporal_scale_factor")


def video_arguments(
    request: VideoRequest, size: tuple[int, int], own: Mapping[str, Any], pipeline: Any
) -> dict[str, Any]:
    """Return the arguments of a pipeline, without generator and callback.

    Args:
        request: A complete request.
        size: Width and height of the video, in pixels.
        own: Arguments of the kind of the job, such as the first picture.
        pipeline: The pipeline that will be called. Arguments that it does not have are left out.
    """
    known = inspect.signature(type(pipeline).__call__).parameters
    given = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt or None,
        "width": size[0],
        "height": size[1],
        "num_frames": request.num_frames,
        "fps": request.fps,
        "num_inference_steps": request.num_inference_steps,
        "guidance_scale": request.guidance_scale,
        "output_type": "pil",
        # Cleaning needs optional packages and removes Chinese characters.
        "clean_caption": False,
        **own,
    }
    found: dict[str, Any] = {}
    for field, value in given.items():
        name = next((name for name in _NAMES.get(field, (field,)) if name in known), None)
        # A value that neither request nor model has is left to the pipeline.
        if name is not None and (value is not None or field == "negative_prompt"):
            found[name] = value
    return found


def frames_of(output: Any) -> list[Image.Image]:
    """Return the frames of the first video of an output, as pictures.

    Args:
        output: The output of a pipeline: `frames` is a list of lists of pictures, or an array or tensor
            (videos, frames, height, width, 3) or (videos, frames, 3, height, width) from 0 to 1.
    """
    frames = output.frames if hasattr(output, "frames") else output[0]
    first = frames[0]
    if isinstance(first, Image.Image):
        return [frame.convert("RGB") for frame in frames]
    if isinstance(first, Sequence):
        return [frame.convert("RGB") for frame in first]
    values = np.asarray(first.detach().float().cpu() if hasattr(first, "detach") else first)
    if values.shape[-1] != 3:
        values = values.transpose(0, 2, 3, 1)
    # As `VaeImageProcessor.numpy_to_pil` rounds.
    return [Image.fromarray(each) for each in (values * 255).round().clip(0, 255).astype("uint8")]


def temporal_ratio(pipeline: Any) -> int:
    """Return how many frames stand for one latent after the first: a video has k times as many, and one."""
    found = next((getattr(pipeline, name) for name in _RATIOS if hasattr(pipeline, name)), None)
    return int(found or 1)
