"""The prompts of the demonstration, and what the other models should find in the pictures."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DemoPrompt:
    """A prompt in the small language of the pocket models.

    Args:
        text: The prompt.
        language: Language of the prompt, and of the caption that is requested.
        phrases: Phrases that a correct caption contains.
        shapes: Classes that a correct mask shows.
        seed: Seed of the picture.
    """

    text: str
    language: Literal["en", "zh"]
    phrases: tuple[str, ...]
    shapes: tuple[str, ...]
    seed: int = 7


PROMPTS = (
    DemoPrompt("a red circle on a white background", "en", ("red circle", "white"), ("circle",)),
    DemoPrompt("a large yellow star in the center on a black background", "en",
               ("large yellow star", "in the center", "black"), ("star",)),
    DemoPrompt("a small blue square on the left on a beige background", "en",
               ("small blue square", "on the left", "beige"), ("square",)),
    DemoPrompt("a green triangle to the left of a purple diamond on a white background", "en",
               ("green triangle to the left of a purple diamond", "white"), ("triangle", "diamond")),
    DemoPrompt("白色背景上的大粉色心形", "zh", ("白色", "大粉色心形"), ("heart",)),
    DemoPrompt("黑色背景上右边的小青色环形", "zh", ("黑色", "右边", "小青色环形"), ("ring",)),
    DemoPrompt("米色背景上中间的橙色十字", "zh", ("米色", "中间", "橙色十字"), ("cross",)),
    DemoPrompt("白色背景上,红色圆形在蓝色正方形的上方", "zh",
               ("白色", "红色圆形在蓝色正方形的上方"), ("circle", "square")),
)  # fmt: skip
