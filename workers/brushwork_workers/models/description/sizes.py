"""The sizes that a pipeline generates, asked of a pipeline without weights."""

import inspect
import logging
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, TracebackType
from typing import Any

import torch
from PIL import Image

from brushwork_workers.models.description.call_signature import (
    call_parameters,
    control_argument,
    denoiser_config,
    picture_argument,
)

LOGGER = logging.getLogger(__name__)
_SMALLEST, _LARGEST = 16, 4096
_DIVISOR = re.compile(r"(?:divisible by|multiples? of) (\d+)")
_SCALES = ("vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")
# A multiple of everything that pipelines ask for.
_SIDE = 512


@dataclass(frozen=True)
class Sizes:
    """The sizes of a pipeline in pixels.

    Args:
        multiple_of: What width and height must be multiples of.
        width: The default width; None if the pipeline decides.
        height: The default height; None if the pipeline decides.
        frames_multiple_of: The number of frames must be a multiple of this, and one more.
    """

    multiple_of: int
    width: int | None
    height: int | None
    frames_multiple_of: int


def sizes_of(pipeline: Any) -> Sizes:
    """Return the sizes of a pipeline.

    Args:
        pipeline: A pipeline without weights; see `empty_pipeline`.
    """
    height, width = _asked(pipeline) or (None, None)
    if height is None or width is None:
        height, width = _of_components(pipeline)
    multiple = _multiple_of(pipeline)
    is_usable = all(
        side and side % multiple == 0 and _SMALLEST <= side <= _LARGEST for side in (width, height)
    )
    shown = (width, height) if is_usable else (None, None)
    return Sizes(multiple, *shown, frames_multiple_of=_frames_multiple_of(pipeline))


def _frames_multiple_of(pipeline: Any) -> int:
    """Return how many frames one latent of a video holds, or by how many a video is longer than a picture."""
    length = getattr(denoiser_config(pipeline), "video_length", None)
    if isinstance(length, int) and length > 1:
        # Latte has learned places for so many frames: it makes videos of this length, and pictures.
        return length - 1
    autoencoder = getattr(pipeline, "vae", None)
    config = getattr(autoencoder, "config", None)
    halved = getattr(config, "temperal_downsample", None)
    if isinstance(halved, list | tuple):
        return int(2 ** sum(map(bool, halved)))
    for owner in (config, autoencoder):
        for name in ("temporal_compression_ratio", "scale_factor_temporal"):
            if isinstance(ratio := getattr(owner, name, None), int):
                return max(1, ratio)
    return 1


def _multiple_of(pipeline: Any) -> int:
    """Return what sides must be multiples of: by the components, and by what a call with other sides says."""
    least = math.lcm(8, *_scales(pipeline))
    with _complaints() as said:
        _asked(pipeline, height=_SIDE + 8, width=_SIDE + 8)
    found = [int(number) for text in said for number in _DIVISOR.findall(text)]
    wanted = math.lcm(least, *(number for number in found if 0 < number <= _SIDE))
    return wanted if wanted <= _SIDE else least


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect the warnings that diffusers logs: some pipelines only warn of sides that they then change."""
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("diffusers")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def _scales(pipeline: Any) -> Iterator[int]:
    patch = _side_of(getattr(denoiser_config(pipeline), "patch_size", 1) or 1)
    for name in _SCALES:
        if isinstance(scale := getattr(pipeline, name, None), int):
            yield scale * patch
    for value in list(vars(pipeline).values()):
        config = getattr(value, "config", None)
        if isinstance(scale := getattr(config, "vae_scale_factor", None), int):
            yield scale
    # Kandinsky rounds latents up, so that both halves of its decoder fit.
    if isinstance(scale := getattr(pipeline, "movq_scale_factor", None), int):
        yield scale**2


def _of_components(pipeline: Any) -> tuple[int | None, int | None]:
    scale = next((found for name in _SCALES if isinstance(found := getattr(pipeline, name, None), int)), 1)
    side = getattr(pipeline, "default_sample_size", None)
    if side is None:
        side = getattr(denoiser_config(pipeline), "sample_size", None)
    if isinstance(side, list | tuple) and len(side) == 2:
        return side[0] * scale, side[1] * scale
    return (side * scale, side * scale) if isinstance(side, int) else (None, None)


def refuses(pipeline: Any, **arguments: Any) -> bool:
    """Return whether a pipeline refuses arguments with a `ValueError` that does not come from its components.

    Args:
        pipeline: A pipeline without weights.
        **arguments: The arguments to try.
    """
    with _complaints() as said:
        _asked(pipeline, height=_SIDE, width=_SIDE, **arguments)
    return any("sample size" in text for text in said)


def _asked(pipeline: Any, **size: int) -> tuple[int, int] | None:
    """Call a pipeline until a component without weights stops it, and read the height and width it has set.

    Args:
        pipeline: The pipeline.
        **size: Height and width to ask for; none for the default.

    Returns:
        Height and width; None if it sets none.
    """
    known = call_parameters(type(pipeline))
    black = Image.new("RGB", (_SIDE, _SIDE))
    pictures = (picture_argument(type(pipeline)), control_argument(type(pipeline)))
    arguments: dict[str, Any] = {name: black for name in pictures if name is not None}
    arguments |= {name: value for name, value in size.items() if name in known}
    for name, value in (("prompt", "a"), ("mask_image", black), ("use_resolution_binning", False)):
        if name in known:
            arguments.setdefault(name, value)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            pipeline(**arguments)
    except Exception as error:
        if size and isinstance(error, ValueError):
            logging.getLogger("diffusers").warning("%s", error)
        return _local_size(pipeline, error.__traceback__)
    return None


def _local_size(pipeline: Any, traceback: TracebackType | None) -> tuple[int, int] | None:
    code: CodeType = inspect.unwrap(type(pipeline).__call__).__code__
    while traceback is not None:
        if traceback.tb_frame.f_code is code:
            found = traceback.tb_frame.f_locals
            height, width = found.get("height"), found.get("width")
            return (height, width) if isinstance(height, int) and isinstance(width, int) else None
        traceback = traceback.tb_next
    return None


def _side_of(patch: Any) -> int:
    side = patch[-1] if isinstance(patch, list | tuple) else patch
    return side if isinstance(side, int) and side > 0 else 1
