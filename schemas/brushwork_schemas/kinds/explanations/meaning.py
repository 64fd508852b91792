"""What the maps and numbers of each method mean, in one sentence for people, and what they do not mean."""

from collections.abc import Mapping

from brushwork_schemas.kinds.explanations.request import Method
from brushwork_schemas.kinds.view import Localized

MEANING: Mapping[Method, Localized] = {
    "occlusion": {
        "en": "A part counts as much as the score falls when it is covered; the map does not show what the "
        "network “sees”, nor whether its reason is a good one.",
        "zh": "某处的值是遮住该处后得分下降的多少；它不表示网络“看到”了什么，也不表示其理由是否正确。",
    },
    "integrated-gradients": {
        "en": "A pixel counts as much as it adds to the score on the way from a plain picture to this one; "
        "the map does not say what happens if that pixel alone is changed.",
        "zh": "某像素的值是从空白图片逐渐变为此图时它为得分增加的多少；它不表示只改变该像素会怎样。",
    },
    "grad-cam": {
        "en": "Parts count where the last layers of the network found something that raises the score; the "
        "map is coarse, and does not show the outline of what matters.",
        "zh": "网络最后几层在值高处找到了使得分升高的内容；这张图很粗略，不显示其轮廓。",
    },
    "confidence": {
        "en": "Confidence is the probability of the class of each pixel, and entropy is high where several "
        "classes are probable; neither says whether the class is right.",
        "zh": "置信度是各像素所属类别的概率，熵在几个类别都有可能时较高；两者都不表示类别是否正确。",
    },
    "tokens": {
        "en": "The percentage is how probable the model found a word after the words before it, and its map "
        "how much less when a part of the picture is covered; neither says whether the word is true.",
        "zh": "百分比是模型认为该词接在前文之后的概率，图是遮住某处后概率下降的多少；"
        "两者都不表示该词是否属实。",
    },
    "words": {
        "en": "A part counts as much as it changes when the word is left out or exchanged, with the same "
        "seed; the map does not show how the model understands the word.",
        "zh": "某处的值是去掉或换掉该词、种子不变时此处变化的多少；它不表示模型如何理解该词。",
    },
}
"""The sentence of each method: what a map means, and what it does not mean."""

METHOD_NAMES: Mapping[Method, Localized] = {
    "occlusion": {"en": "Occlusion", "zh": "遮挡"},
    "integrated-gradients": {"en": "Integrated gradients", "zh": "积分梯度"},
    "grad-cam": {"en": "Grad-CAM", "zh": "Grad-CAM"},
    "confidence": {"en": "Confidence", "zh": "置信度"},
    "tokens": {"en": "Words of the text", "zh": "文本中的词"},
    "words": {"en": "Words of the prompt", "zh": "提示词中的词"},
}
"""The name of each method."""
