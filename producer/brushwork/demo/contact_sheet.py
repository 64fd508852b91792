"""All pictures of the demonstration on one sheet, each with its overlay and, if a font has it, its prompt."""

import io
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

from brushwork.demo.demo_result import DemoResult

SIDE = 192
MARGIN = 16
TEXT_HEIGHT = 72
COLUMNS = 4
FONT_SIZE = 13
WRAP_LETTERS, WRAP_CHARACTERS = 29, 16
PAPER, INK, QUIET = (250, 250, 248), (25, 25, 25), (120, 120, 120)
# Fonts with Chinese characters, where common systems keep them.
CJK_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
)


def contact_sheet(results: Sequence[DemoResult]) -> Image.Image:
    """Draw the sheet: rows of four results, each picture above its overlay."""
    rows = -(-len(results) // COLUMNS)
    cell_width, cell_height = SIDE + MARGIN, 2 * SIDE + MARGIN // 2 + TEXT_HEIGHT + MARGIN
    sheet = Image.new("RGB", (COLUMNS * cell_width + MARGIN, rows * cell_height + MARGIN), PAPER)
    for index, result in enumerate(results):
        row, column = divmod(index, COLUMNS)
        place = (MARGIN + column * cell_width, MARGIN + row * cell_height)
        _draw(sheet, place, result, f"{index + 1}.")
    return sheet


def _draw(sheet: Image.Image, place: tuple[int, int], result: DemoResult, number: str) -> None:
    left, top = place
    overlay_top = top + SIDE + MARGIN // 2
    sheet.paste(_enlarged(result.png), (left, top))
    sheet.paste(_enlarged(result.overlay_png), (left, overlay_top))
    font = _font(result.prompt.text)
    text = f"{number} {result.prompt.text}" if font else number
    lines = [*_wrapped(text)[:3], result.class_text]
    brush = ImageDraw.Draw(sheet)
    for index, line in enumerate(lines):
        height = overlay_top + SIDE + 4 + index * (FONT_SIZE + 3)
        ink = QUIET if index == len(lines) - 1 else INK
        brush.text((left, height), line, ink, font=font or ImageFont.load_default(FONT_SIZE))


def _wrapped(text: str) -> list[str]:
    if text.isascii():
        return wrap(text, WRAP_LETTERS)
    return [text[start : start + WRAP_CHARACTERS] for start in range(0, len(text), WRAP_CHARACTERS)]


def _enlarged(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        return picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _font(text: str) -> ImageFont.FreeTypeFont | ImageFont.ImageFont | None:
    if text.isascii():
        return ImageFont.load_default(FONT_SIZE)
    found = next((name for name in CJK_FONTS if Path(name).exists()), None)
    return ImageFont.truetype(found, FONT_SIZE) if found else None
