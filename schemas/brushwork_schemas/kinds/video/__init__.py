"""Requests, results and rules that all kinds of video share."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from brushwork_schemas.artifact import MP4
from brushwork_schemas.artifact.mp4 import video_head
from brushwork_schemas.artifact.video import Video
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.generation import at_most, check_scheduler, check_side, seed_note
from brushwork_schemas.kinds.generation.add_ons import LoraChoice, check_loras
from brushwork_schemas.kinds.request import LabelledRequest, Side, Text, not_blank
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Cell, PictureNotes
from brushwork_schemas.wording.phrase import said

if TYPE_CHECKING:
    from brushwork_schemas.artifact import Artifact
    from brushwork_schemas.catalogue import Catalogue, Model
    from brushwork_schemas.job import Job
    from brushwork_schemas.kinds.kind import ReadPicture

# 8 frames of a red square that moves, for the fake clients: without an encoder there is no other video.
SAMPLE = Path(__file__).parent / "sample.mp4"
# For models without defaults of their own: two seconds.
_NUM_FRAMES, _FPS = 16, 8


class VideoRequest(LabelledRequest):
    """Fields of all requests that generate videos in denoising steps."""

    SPECIAL = frozenset({"negative_prompt", "scheduler", "loras"})
    ADVANCED = LabelledRequest.ADVANCED | {"negative_prompt", "guidance_scale", "scheduler", "loras"}

    prompt: Annotated[Text, AfterValidator(not_blank)] = Field(
        max_length=2000, title="Prompt", description="What the video should show."
    )
    negative_prompt: Text = Field(
        "", max_length=2000, title="Negative prompt", description="What the video should not show."
    )
    width: Side | None = Field(
        None, title="Width", description="Width in pixels; by default the model's default width."
    )
    height: Side | None = Field(
        None, title="Height", description="Height in pixels; by default the model's default height."
    )
    num_frames: int | None = Field(
        None,
        ge=1,
        le=1000,
        title="Frames",
        description="Number of frames; by default the model's default number. "
        "The video plays for num_frames / fps seconds.",
    )
    fps: int | None = Field(
        None,
        ge=1,
        le=60,
        title="Frames per second",
        description="Frames per second of the file; by default those that the model was trained for. "
        "A model that takes them as an input also moves accordingly.",
    )
    num_inference_steps: int | None = Field(
        None,
        ge=1,
        le=200,
        title="Steps",
        description="Number of denoising steps. More steps take longer and usually give finer videos.",
    )
    guidance_scale: float | None = Field(
        None,
        ge=0.0,
        le=50.0,
        allow_inf_nan=False,
        title="Guidance scale",
        description="Weight of classifier-free guidance (Ho and Salimans, 2022). 1 and below switch it off.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        title="Seed",
        description="Seed of the random numbers; video i of a job uses seed + i. Random by default.",
    )
    num_videos_per_prompt: int = Field(
        1, ge=1, le=4, title="Videos", description="Number of videos to generate."
    )
    scheduler: str | None = Field(
        None,
        max_length=100,
        title="Scheduler",
        description="A diffusers scheduler class that the model offers; by default the model's own.",
    )
    loras: Annotated[tuple[LoraChoice, ...], Field(strict=False)] = Field(
        (), max_length=8, title="LoRA adapters", description="LoRA adapters of the catalogue to apply."
    )

    @property
    def summary(self) -> str:
        """Size, number of frames and videos, and steps."""
        size = f"{self.width}x{self.height} " if self.width and self.height else ""
        videos = f" x{self.num_videos_per_prompt}" if self.num_videos_per_prompt > 1 else ""
        frames = f"{self.num_frames} frames{videos} " if self.num_frames else videos.lstrip()
        return f"{size}{frames}{self.num_inference_steps} steps"

    @property
    def cost(self) -> float:
        """Megapixels x frames x videos x steps of a complete request: a frame costs what a picture costs."""
        pixels = (self.width or 0) * (self.height or 0) * (self.num_frames or 0)
        return pixels * self.num_videos_per_prompt * (self.num_inference_steps or 0) / 1e6


class VideoResult(Result):
    """Videos and their seeds. A job for one video with seed `seeds[i]` generates `videos[i]` again."""

    videos: tuple[Video, ...] = Field(title="Video")
    seed: int
    seeds: tuple[int, ...]


def check_limits(request: VideoRequest, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse sizes, lengths, steps and schedulers that the model does not offer.

    Raises:
        InvalidRequest: A field exceeds a limit of the model.
    """
    wrong, limits = Refusals(), model.limits
    for name, side in (("width", request.width or 0), ("height", request.height or 0)):
        with wrong.noted():
            check_side(name, side, model)
    for name, value, limit in (
        ("num_inference_steps", request.num_inference_steps or 0, limits.max_steps),
        ("num_frames", request.num_frames or 0, limits.max_frames),
    ):
        with wrong.noted():
            at_most(name, value, limit, model)
    with wrong.noted():
        _check_length(request.num_frames or 1, model)
    if not wrong:
        with wrong.noted():
            check_pixels(request, _known_size(request, model), model)
    with wrong.noted():
        check_scheduler(request, model)
    wrong.raise_any()


def _check_length(num_frames: int, model: "Model") -> None:
    multiple = model.frames_multiple_of
    if (num_frames - 1) % multiple:
        raise InvalidRequest(
            said(
                "num_frames: {num_frames} is not a multiple of {multiple} and one more, as {model} requires.",
                num_frames=num_frames,
                multiple=multiple,
                model=model.name,
            ),
            field="num_frames",
            hint=said("Use {value}.", value=-(-num_frames // multiple) * multiple + 1),
        )


def check_pixels(request: VideoRequest, size: tuple[int, int], model: "Model") -> None:
    """Refuse a job with too many pixels in all frames of all videos.

    Args:
        request: The request.
        size: Width and height of the videos.
        model: The model.

    Raises:
        InvalidRequest: There are more than the model allows.
    """
    pixels = size[0] * size[1] * (request.num_frames or 0) * request.num_videos_per_prompt
    most = model.limits.max_pixels_per_job
    if pixels > most:
        raise InvalidRequest(
            said(
                "width x height x num_frames x num_videos_per_prompt is {pixels} pixels. {model} allows "
                "{max_pixels_per_job} pixels per job.",
                pixels=pixels,
                model=model.name,
                max_pixels_per_job=most,
            ),
            field="num_frames",
            hint="Use fewer or smaller frames, or submit several jobs.",
        )


def _known_size(request: VideoRequest, model: "Model") -> tuple[int, int]:
    """Width and height as far as they are known: a video may get them from its picture, in the worker."""
    defaults = model.defaults_of("image-to-video") if "image-to-video" in model.kinds else {}
    return request.width or defaults.get("width") or 0, request.height or defaults.get("height") or 0


def check_add_ons(request: VideoRequest, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse LoRA adapters that do not fit.

    Raises:
        UnknownModel: The catalogue has no such entry for the family of the model.
        InvalidRequest: An adapter is listed twice.
    """
    check_loras(request, model, catalogue)


def with_length(asked: Any, complete: Mapping[str, Any], model: "Model") -> Mapping[str, Any]:
    """Return the fields with a number of frames and a frame rate, also if the model has no defaults."""
    multiple = model.frames_multiple_of
    num_frames = _NUM_FRAMES if multiple == 1 else _NUM_FRAMES // multiple * multiple + 1
    return {"num_frames": num_frames, "fps": _FPS, **complete}


def facts(result: VideoResult) -> Iterable[tuple[str, str]]:
    """Return size, length and seed of each video."""
    for index, (video, seed) in enumerate(zip(result.videos, result.seeds, strict=False)):
        size = f"{video.file.width}x{video.file.height}"
        length = f"{video.num_frames} frames at {video.fps} fps, {video.duration_s:.3g} s"
        yield f"video {index}", f"{size}, {length}, seed {seed}"


def view(job: "Job") -> Sequence[Block]:
    """Return length and seed of each video."""
    result = job.result
    if not isinstance(result, VideoResult):
        return ()
    notes = [
        (_length(video), seed_note(seed)) for video, seed in zip(result.videos, result.seeds, strict=False)
    ]
    return (PictureNotes(notes),)


def _length(video: Video) -> Cell:
    seconds = f"{video.duration_s:.3g}"
    return {
        "en": f"{video.num_frames} frames, {video.fps} fps, {seconds} s",
        "zh": f"{video.num_frames} 帧，{video.fps} 帧/秒，{seconds} 秒",
    }


def files(result: VideoResult) -> Mapping[str, "Artifact"]:
    """Return the videos by number, each beside its poster."""
    return {
        name: file
        for index, video in enumerate(result.videos)
        for name, file in ((f"{index}", video.file), (f"{index}-poster", video.poster))
    }


def sample(job: "Job", picture: "ReadPicture") -> Mapping[str, Any]:
    """Return a small video that is always the same, and posters whose colour depends on prompt and seed."""
    request = job.request
    return {
        "videos": [
            given_video(SAMPLE.read_bytes(), f"{request.seed + number} {request.prompt}")
            for number in range(request.num_videos_per_prompt)
        ]
    }


def from_short(written: Any) -> Mapping[str, Any] | None:
    """Return the fields for the bytes of an MP4, or a list of them."""
    given = list(written) if isinstance(written, list | tuple) else [written]
    if not given or not all(isinstance(each, bytes) for each in given):
        return None
    return {"videos": [given_video(each, str(number)) for number, each in enumerate(given)]}


def given_video(data: bytes, text: str) -> Mapping[str, Any]:
    """Return the fields of a video for an MP4, with a poster whose colour depends on a text."""
    from PIL import Image

    head = video_head(data)
    colour = tuple(hashlib.sha256(text.encode()).digest()[:3])
    return {
        "file": (data, MP4),
        "poster": Image.new("RGB", (head.width, head.height), colour),
        "num_frames": head.num_frames,
        "fps": head.fps,
    }
