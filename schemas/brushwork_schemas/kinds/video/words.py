"""Words of the fields of video generation, for forms and views."""

from brushwork_schemas.kinds.generation.words import GENERATION_CHINESE, GENERATION_ENGLISH

VIDEO_ENGLISH = {**GENERATION_ENGLISH}
"""Short English hints, for fields that stand side by side in a form."""

VIDEO_CHINESE = {
    **GENERATION_CHINESE,
    "result.videos.label": "视频",
    "field.prompt.hint": "视频中应有的内容。",
    "field.negative_prompt.hint": "视频中不应有的内容。",
    "field.num_frames.label": "帧数",
    "field.num_frames.hint": "视频的帧数；时长为帧数除以帧率。不填则用模型的默认值。",
    "field.fps.label": "帧率",
    "field.fps.hint": "每秒帧数；默认为模型训练时的帧率。",
    "field.num_videos_per_prompt.label": "视频数",
    "field.num_videos_per_prompt.hint": "",
    "field.num_inference_steps.hint": "步数越多越慢，视频通常越精细。",
    "field.seed.hint": "同样的种子得到同样的视频。不填则随机。",
    "field.visible_label.hint": "在视频开头两秒的一角写明由 AI 生成。",
}
"""Chinese labels and hints of the fields of video generation."""
