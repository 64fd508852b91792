"""Kind `text-to-video`: videos from a prompt."""

from brushwork_schemas.artifact import DigitalSource
from brushwork_schemas.kinds import video
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.video import VideoRequest, VideoResult
from brushwork_schemas.kinds.video.words import VIDEO_CHINESE, VIDEO_ENGLISH


class TextToVideoRequest(VideoRequest):
    """Generate videos from a prompt."""


class TextToVideoResult(VideoResult):
    """Videos generated from a prompt."""


KIND = Kind(
    name="text-to-video",
    request_type=TextToVideoRequest,
    result_type=TextToVideoResult,
    title={"en": "Video", "zh": "文生视频"},
    action={"en": "Generate a video", "zh": "生成视频"},
    example={"prompt": "a red circle moves to the left", "seed": 7},
    sample=video.sample,
    facts=video.facts,
    view=video.view,
    files_by_name=video.files,
    checks=(video.check_limits, video.check_add_ons),
    complete=video.with_length,
    from_short=video.from_short,
    makes_pictures=True,
    digital_source=DigitalSource.GENERATED,
    words={"en": VIDEO_ENGLISH, "zh": VIDEO_CHINESE},
    order=42,
)
