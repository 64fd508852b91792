"""What the demonstration asks for, and what the other models should then see."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DemoPrompt:
    """A prompt of the pocket models' small language.

    Args:
        text: What is asked for.
        language: Language of the prompt, and of the caption that is asked for.
        phrases: What a right caption says.
        shapes: Classes that a right mask shows.
        seed: Start of the random numbers.
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
