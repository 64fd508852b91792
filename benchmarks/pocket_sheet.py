"""Contact sheets of generated pictures."""

from pathlib import Path

from PIL import Image

from benchmarks.pocket_paintings import Painted

_FRAME = 4
_A_ROW = 16


def write_sheet(shown: list[Painted], file: Path) -> None:
    """A contact sheet, 16 pictures a row; wrong ones framed in red."""
    tile = 64 + 2 * _FRAME
    rows = max(1, -(-len(shown) // _A_ROW))
    sheet = Image.new("RGB", (_A_ROW * tile, rows * tile), "white")
    for index, one in enumerate(shown):
        framed = Image.new("RGB", (tile, tile), "white" if one.is_right else (220, 0, 0))
        framed.paste(one.picture, (_FRAME, _FRAME))
        sheet.paste(framed, (index % _A_ROW * tile, index // _A_ROW * tile))
    sheet.save(file)
