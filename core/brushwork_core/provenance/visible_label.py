"""Draw a visible label into a corner of a picture: white letters on a dark plate, large enough to read."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from brushwork_schemas.kinds.request import Corner
from PIL import Image, ImageDraw, ImageFont

OWN_FONT = Path(__file__).parent / "fonts" / "label.otf"
# GB 45438-2025: letters have at least 5 % of the shorter side.
LEAST_SHARE = 0.05
# Smaller letters cannot be read. They are drawn only where the picture has no room for these.
_READABLE_PIXELS = 9
# White on black of this opacity has a contrast of 7 to 1 on any background.
_PLATE = (0, 0, 0, 176)
_LINE_HEIGHT, _PADDING, _WIDEST = 1.75, 0.5, 0.9
# A line may end at a space, or before and after a Chinese or Japanese character.
_UNITS = re.compile(r"[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+ ?|\s")
_CAPITAL = "H"
# Rows of a letter count from this share of its darkest ink.
_INK = 0.75


@dataclass(frozen=True)
class VisibleLabel:
    """A label to draw.

    Args:
        text: Its text.
        corner: Where it stands.
        share: Height of a capital letter, as a share of the shorter side of the picture, 0.05 to 0.5.
        font: File of the font.
    """

    text: str
    corner: Corner = "bottom-right"
    share: float = LEAST_SHARE
    font: Path = OWN_FONT


@dataclass(frozen=True)
class DrawnLabel:
    """A picture with its label.

    Args:
        picture: The picture, as RGB or RGBA.
        plate: The part that the label covers: left, top, right, bottom, in pixels.
        letter_height: Height of a capital letter, in pixels.
        is_whole: Whether the whole text is there. In a very small picture it is not.
    """

    picture: Image.Image
    plate: tuple[int, int, int, int]
    letter_height: int
    is_whole: bool


@dataclass(frozen=True)
class _Layout:
    font: ImageFont.FreeTypeFont
    lines: Sequence[str]
    capital: int
    size: tuple[int, int]

    @property
    def padding(self) -> int:
        return math.ceil(self.capital * _PADDING)

    @property
    def line_height(self) -> int:
        return math.ceil(self.capital * _LINE_HEIGHT)


def with_label(picture: Image.Image, label: VisibleLabel) -> DrawnLabel:
    """Return a copy of a picture with a label in a corner."""
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    layout, is_whole = _fitted(label, picture.size)
    plate = _placed(layout.size, picture.size, label.corner)
    # Only the plate is blended, so all other pixels keep their bytes.
    part = picture.convert("RGBA").crop(plate)
    part.alpha_composite(Image.new("RGBA", part.size, _PLATE))
    drawing = ImageDraw.Draw(part)
    for number, line in enumerate(layout.lines):
        baseline = layout.padding + layout.capital + number * layout.line_height
        drawing.text((layout.padding, baseline), line, font=layout.font, fill="white", anchor="ls")
    labelled = picture.convert(mode) if picture.mode != mode else picture.copy()
    labelled.paste(part.convert(mode), plate[:2])
    return DrawnLabel(labelled, plate, layout.capital, is_whole)


def missing_characters(label: VisibleLabel) -> str:
    """Return the characters of the text that the font does not have."""
    font = _font(label.font, 32)
    unknown = bytes(font.getmask("\U0010fffd"))
    return "".join(each for each in dict.fromkeys(label.text) if bytes(font.getmask(each)) == unknown)


def _fitted(label: VisibleLabel, size: tuple[int, int]) -> tuple[_Layout, bool]:
    """The largest layout that fits, down to the least height of letters; there the text may be cut."""
    least = max(1, math.ceil(min(size) * LEAST_SHARE))
    wanted = max(math.ceil(min(size) * label.share), _READABLE_PIXELS, least)
    for capital in range(wanted, least - 1, -1):
        layout = _layout(label, capital, size)
        if layout.size[0] <= size[0] and layout.size[1] <= size[1]:
            return layout, True
    rows = max(1, (size[1] - 2 * layout.padding - layout.capital) // layout.line_height + 1)
    cut = layout.lines[:rows]
    kept = (min(layout.size[0], size[0]), min(_height(layout, len(cut)), size[1]))
    return _Layout(layout.font, cut, layout.capital, kept), False


def _layout(label: VisibleLabel, capital: int, size: tuple[int, int]) -> _Layout:
    font, height = _font_of_height(label.font, capital)
    room = size[0] * _WIDEST - 2 * math.ceil(height * _PADDING)
    lines = tuple(_lines(label.text, font, room))
    bare = _Layout(font, lines, height, (0, 0))
    width = math.ceil(max(font.getlength(line) for line in lines)) + 2 * bare.padding
    return _Layout(font, lines, height, (width, _height(bare, len(lines))))


def _height(layout: _Layout, lines: int) -> int:
    # Below the last baseline, letters such as g and Chinese characters need some room.
    return layout.capital + (lines - 1) * layout.line_height + 2 * layout.padding + layout.capital // 4


def _lines(text: str, font: ImageFont.FreeTypeFont, room: float) -> Iterator[str]:
    line = ""
    for unit in _units(text, font, room):
        if line and font.getlength((line + unit).rstrip()) > room:
            yield line.rstrip()
            line = unit.lstrip()
        else:
            line += unit
    yield line.rstrip()


def _units(text: str, font: ImageFont.FreeTypeFont, room: float) -> Iterator[str]:
    for unit in _UNITS.findall(" ".join(text.split())):
        # A word that is wider than the picture is broken.
        yield from unit if font.getlength(unit) > room else (unit,)


def _placed(size: tuple[int, int], picture: tuple[int, int], corner: Corner) -> tuple[int, int, int, int]:
    left = 0 if corner.endswith("left") else picture[0] - size[0]
    top = 0 if corner.startswith("top") else picture[1] - size[1]
    return left, top, left + size[0], top + size[1]


@lru_cache(maxsize=64)
def _font_of_height(file: Path, capital: int) -> tuple[ImageFont.FreeTypeFont, int]:
    """The smallest size of a font whose capitals have at least this height, and their height, in pixels."""
    size = capital
    while (height := _capital_height(font := _font(file, size))) < capital:
        size += 1
    return font, height


def _capital_height(font: ImageFont.FreeTypeFont) -> int:
    # Counted in its ink: the box of a glyph has rows at both ends that are nearly empty.
    mask = font.getmask(_CAPITAL)
    width, ink = mask.size[0], bytes(mask)
    # Strokes thinner than a pixel are never fully opaque.
    least = max(ink, default=0) * _INK
    return sum(max(ink[start : start + width]) > least for start in range(0, len(ink), width))


@lru_cache(maxsize=64)
def _font(file: Path, size: int) -> ImageFont.FreeTypeFont:
    # The basic layout, since the other one depends on a library that not every machine has.
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)
