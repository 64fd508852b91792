"""The arguments of a video pipeline for a request, by its call signature; and the frames of its output."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from brushwork_schemas.kinds.video import VideoRequest
from PIL import Image

from brushwork_workers.models.description.call_arguments import arguments_by_signature
from brushwork_workers.models.description.call_signature import argument_of, call_parameters

# Where a pipeline states how many frames stand for one of its latents, after the first.
_RATIOS = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio", "vae_temporal_scale_factor")


def video_arguments(
    request: VideoRequest, size: tuple[int, int], own: Mapping[str, Any], pipeline: Any
) -> dict[str, Any]:
    """Return the arguments of a pipeline, without generator and callback.

    Args:
        request: A complete request.
        size: Width and height of the video, in pixels; 0 leaves a side to the pipeline.
        own: Arguments of the kind of the job, such as the first picture.
        pipeline: The pipeline that will be called. Arguments that it does not have are left out.
    """
    known = call_parameters(type(pipeline))
    sized = {"width": size[0], "height": size[1], "num_frames": request.num_frames, "fps": request.fps}
    # A value that neither request nor model has is left to the pipeline.
    named = ((argument_of(type(pipeline), field), value) for field, value in sized.items() if value)
    found: dict[str, Any] = {name: value for name, value in named if name is not None}
    # Cleaning needs optional packages and removes Chinese characters.
    more = {"output_type": "pil", "clean_caption": False, **own}
    found |= {**arguments_by_signature(request, pipeline), **more}
    return {name: value for name, value in found.items() if name in known}


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
