"""Words of the fields of image generation, for forms and views."""

from brushwork_schemas.kinds.explanations.request import EXPLAIN_CHINESE
from brushwork_schemas.kinds.request import CHINESE

GENERATION_ENGLISH = {
    "field.width.hint": "Pixels.",
    "field.height.hint": "Pixels.",
    "field.num_inference_steps.hint": "More steps: slower, finer.",
    "field.acceleration.hint": "0 to 1: faster, but farther from the full result.",
}
"""Short English hints, for fields that stand side by side in a form."""

GENERATION_CHINESE = {
    **CHINESE,
    **EXPLAIN_CHINESE,
    "result.images.label": "图片",
    "result.image.label": "图片",
    "field.prompt.label": "提示词",
    "field.prompt.hint": "画面上应有的内容。",
    "field.negative_prompt.label": "反向提示词",
    "field.negative_prompt.hint": "画面上不应有的内容。",
    "field.width.label": "宽度",
    "field.width.hint": "像素。",
    "field.height.label": "高度",
    "field.height.hint": "像素。",
    "field.num_inference_steps.label": "迭代步数",
    "field.num_inference_steps.hint": "步数越多越慢，画面通常越精细。",
    "field.guidance_scale.label": "提示词引导系数（CFG）",
    "field.guidance_scale.hint": "遵循提示词的程度；不大于 1 则关闭。",
    "field.num_images_per_prompt.label": "张数",
    "field.num_images_per_prompt.hint": "",
    "field.scheduler.label": "采样方法",
    "field.scheduler.hint": "模型提供的 diffusers 调度器。",
    "field.strength.label": "重绘幅度",
    "field.strength.hint": "0 到 1：允许改变多少。",
    "field.clip_skip.label": "CLIP 跳过层",
    "field.clip_skip.hint": "跳过文本编码器的最后几层。",
    "field.loras.label": "LoRA 模型",
    "field.loras.hint": "每行一个：名称:0.8",
    "field.controlnet.label": "ControlNet",
    "field.controlnet.hint": "除提示词外的引导。",
    "field.control_image.label": "引导图",
    "field.control_image.hint": "ControlNet 依据的图片，例如边缘或深度。",
    "field.controlnet_conditioning_scale.label": "ControlNet 强度",
    "field.controlnet_conditioning_scale.hint": "遵循的程度；不填为 1。",
    "field.acceleration.label": "加速",
    "field.acceleration.hint": "0 到 1：跳过并估算多少去噪计算；越大越快，与完整结果差别越大。",
    "field.ip_adapters.label": "图片提示",
    "field.ip_adapters.hint": "每行一个：名称:0.8 = 图片, 图片",
    "field.prompt_weighting.label": "提示词权重",
    "field.prompt_weighting.hint": "按权重和分段理解提示词：(词:1.3)、(词)、[词]、BREAK；否则视为普通文字。",
    "field.mask_image.label": "蒙版",
    "field.mask_image.hint": "白色处重绘，黑色处和透明处保留。",
}
"""Chinese labels and hints of the fields of image generation."""
