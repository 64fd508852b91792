"""A video of a result: its file, and a picture that stands for it until it is played."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Artifact

# Of one video. 64 million pixels of noise, the most that a job may make by default, have some 40 MB.
MAX_VIDEO_BYTES = 512 * 2**20


class Video(BaseModel):
    """A video without sound: an MP4 with H.264, which all browsers play."""

    model_config = ConfigDict(frozen=True)

    file: Artifact = Field(description="The video, an MP4.")
    poster: Artifact = Field(description="Its first frame as a JPEG, which is shown until the video plays.")
    num_frames: int = Field(ge=1, description="Number of frames in the file.")
    fps: int = Field(ge=1, description="Frames per second.")

    @property
    def duration_s(self) -> float:
        """How long it plays, in seconds."""
        return self.num_frames / self.fps


def videos_within(value: Any) -> list[Video]:
    """Return all videos inside a result, in the order of its fields."""
    if isinstance(value, Video):
        return [value]
    if isinstance(value, BaseModel):
        return [found for name in type(value).model_fields for found in videos_within(getattr(value, name))]
    if isinstance(value, tuple):
        return [found for item in value for found in videos_within(item)]
    return []
