"""Labels, hints and choices of `explain` and its settings, for forms."""

from brushwork_schemas.kinds.explanations.meaning import METHOD_NAMES
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.field_words import FieldWords

_ENGLISH = {
    "field.target.label": "Class",
    "field.target.hint": "By default the best class.",
    "field.words.label": "Words",
    "field.words.hint": "Separated by commas; by default those that name something visible.",
    "field.patch_size.label": "Size of the covered square",
    "field.patch_size.hint": "Pixels; by default a fixed share of the shorter side.",
    "field.stride.label": "Distance of the squares",
    "field.stride.hint": "Pixels; by default half of their size.",
    "field.fill.label": "Covered with",
    "field.fill.hint": "By default the mean colour of the picture.",
    "field.num_samples.label": "Samples",
    "field.num_samples.hint": "Steps of integrated gradients, or most exchanges for each word.",
    "field.faithfulness.label": "Measure the faithfulness",
    "field.faithfulness.hint": "Deletes and inserts the most important parts first.",
    "choice.mean": "mean colour",
    "choice.blur": "blurred picture",
    "choice.black": "black",
    "choice.gray": "grey",
    "choice.white": "white",
}
_CHINESE = {
    "field.target.label": "类别",
    "field.target.hint": "不填则为最可能的类别。",
    "field.words.label": "词语",
    "field.words.hint": "用逗号分隔；不填则为表示可见内容的词。",
    "field.patch_size.label": "遮挡方块的边长",
    "field.patch_size.hint": "像素；不填则为短边的一定比例。",
    "field.stride.label": "方块的间距",
    "field.stride.hint": "像素；不填则为边长的一半。",
    "field.fill.label": "遮挡用",
    "field.fill.hint": "不填则为图片的平均颜色。",
    "field.num_samples.label": "采样数",
    "field.num_samples.hint": "积分梯度的步数，或每个词最多替换几次。",
    "field.faithfulness.label": "测量忠实度",
    "field.faithfulness.hint": "先删除和先恢复最重要的部分，看得分如何变化。",
    "choice.mean": "平均颜色",
    "choice.blur": "模糊的图片",
    "choice.black": "黑色",
    "choice.gray": "灰色",
    "choice.white": "白色",
}


def _method_names(language: str) -> dict[str, str]:
    return {f"choice.{method}": name[language] for method, name in METHOD_NAMES.items()}


EXPLAIN_WORDS = FieldWords(
    Explain, {"en": {**_ENGLISH, **_method_names("en")}, "zh": {**_CHINESE, **_method_names("zh")}}
)
"""The words of the methods and of their settings."""
