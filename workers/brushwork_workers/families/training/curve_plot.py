"""A plot of loss and accuracy by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

from brushwork_schemas.kinds.image_classification_training import Epoch
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 960, 420
_INK, _FAINT, _PAPER = "#22252b", "#d8dce3", "#ffffff"
_TRAIN, _VALIDATION = "#3867d6", "#e06c2b"
_FONT_SIZE, _NUM_LINES = 15, 4


@dataclass(frozen=True)
class Panel:
    """A panel of the plot, with an axis of epochs and an axis of values.

    Args:
        left: The left edge of the frame, in pixels. The numbers of the axis are left of it.
        title: The name of the values.
        top_value: The value at the upper edge; the lower edge is 0.
        num_epochs: The epoch at the right edge; the left edge is epoch 1.
        top: The upper edge of the frame, in pixels.
        width: The width of the frame, in pixels.
        height: The height of the frame, in pixels.
    """

    left: int
    title: str
    top_value: float
    num_epochs: int
    top: int = 64
    width: int = 380
    height: int = 290

    def position(self, epoch: int, value: float) -> tuple[float, float]:
        """Return the position of a value: x and y, in pixels."""
        share = (epoch - 1) / max(1, self.num_epochs - 1)
        return self.left + share * self.width, self.top + (1 - value / self.top_value) * self.height


def curve_plot(curve: Sequence[Epoch]) -> Image.Image:
    """Draw loss (left) and accuracy (right) of training and validation as an RGB picture.

    Args:
        curve: The epochs, at least one.
    """
    picture = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(picture)
    losses = [value for epoch in curve for value in (epoch.train_loss, epoch.validation_loss) if value]
    panels = {
        "loss": Panel(70, "loss (cross-entropy)", max([*losses, 1e-6]) * 1.05, len(curve)),
        "accuracy": Panel(550, "accuracy", 1.0, len(curve)),
    }
    for name, panel in panels.items():
        _draw_frame(draw, panel)
        for part, colour in (("train", _TRAIN), ("validation", _VALIDATION)):
            _draw_line(draw, panel, [getattr(epoch, f"{part}_{name}") for epoch in curve], colour)
    _draw_legend(draw, curve)
    return picture


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_SIZE)


def _draw_frame(draw: ImageDraw.ImageDraw, panel: Panel) -> None:
    draw.text((panel.left, panel.top - 10), panel.title, _INK, _font(), anchor="ls")
    for number in range(_NUM_LINES + 1):
        value = panel.top_value * number / _NUM_LINES
        x, y = panel.position(1, value)
        draw.line([(x, y), (x + panel.width, y)], _FAINT if number else _INK)
        draw.text((x - 8, y), f"{value:.2f}", _INK, _font(), anchor="rm")
    x, y = panel.position(1, 0.0)
    draw.text((x, y + 8), "1", _INK, _font(), anchor="ma")
    draw.text((x + panel.width / 2, y + 8), "epoch", _INK, _font(), anchor="ma")
    if panel.num_epochs > 1:
        draw.text((x + panel.width, y + 8), str(panel.num_epochs), _INK, _font(), anchor="ma")


def _draw_line(draw: ImageDraw.ImageDraw, panel: Panel, values: Sequence[float | None], colour: str) -> None:
    points = [panel.position(index + 1, value) for index, value in enumerate(values) if value is not None]
    draw.line(points, colour, width=3, joint="curve")
    for x, y in points if len(points) <= 40 else points[-1:]:
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], colour)


def _draw_legend(draw: ImageDraw.ImageDraw, curve: Sequence[Epoch]) -> None:
    entries = [("training", _TRAIN)]
    if curve[-1].validation_loss is not None:
        entries.append(("validation", _VALIDATION))
    for number, (name, colour) in enumerate(entries):
        x = 70 + 130 * number
        draw.line([(x, 22), (x + 24, 22)], colour, width=3)
        draw.text((x + 32, 22), name, _INK, _font(), anchor="lm")
