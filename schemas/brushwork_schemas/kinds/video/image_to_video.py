"""Kind `image-to-video`: videos that begin with a picture."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from brushwork_schemas.artifact import DigitalSource, Picture
from brushwork_schemas.kinds import generation, video
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import Text
from brushwork_schemas.kinds.video import VideoRequest, VideoResult
from brushwork_schemas.kinds.video.words import VIDEO_CHINESE, VIDEO_ENGLISH

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Model


class ImageToVideoRequest(VideoRequest):
    """Generate videos that begin with a picture."""

    # Stable Video Diffusion reads no prompt.
    SPECIAL = VideoRequest.SPECIAL | {"prompt"}

    prompt: Text = Field(
        "",
        max_length=2000,
        title="Prompt",
        description="What happens in the video, for models that take a prompt.",
    )
    image: Picture = Field(title="First picture", description="The picture that the video begins with.")


class ImageToVideoResult(VideoResult):
    """Videos generated from a picture."""


def _completed(asked: ImageToVideoRequest, complete: Mapping[str, Any], model: "Model") -> Mapping[str, Any]:
    return video.with_length(asked, generation.size_of_input(asked, complete, model), model)


KIND = Kind(
    name="image-to-video",
    request_type=ImageToVideoRequest,
    result_type=ImageToVideoResult,
    title={"en": "Animation", "zh": "图生视频"},
    action={"en": "Make a video from a picture", "zh": "由图片生成视频"},
    example={"image": RED_PICTURE, "seed": 7},
    sample=video.sample,
    facts=video.facts,
    view=video.view,
    files_by_name=video.files,
    checks=(video.check_limits, video.check_add_ons),
    complete=_completed,
    from_short=video.from_short,
    follow_up={"en": "Animate it", "zh": "生成动态视频"},
    makes_pictures=True,
    digital_source=DigitalSource.COMPOSITE,
    words={
        "en": VIDEO_ENGLISH,
        "zh": {
            **VIDEO_CHINESE,
            "field.image.label": "首帧图片",
            "field.prompt.hint": "视频中发生的事；适用于接受提示词的模型。",
        },
    },
    order=44,
)
