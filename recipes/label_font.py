"""Make the font of the visible label: `python -m recipes.label_font NotoSansCJK-Regular.ttc`.

The whole font has 16 MB. What is kept: Latin, Greek, Cyrillic, kana, punctuation, and the 3755 characters of
the first level of GB 2312.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from brushwork_core.provenance.visible_label import OWN_FONT
from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

FACE = "Noto Sans CJK SC"
# Basic Latin, Latin-1, Latin Extended-A, Greek, Cyrillic, hiragana, katakana.
RANGES = (
    *((0x20, 0x7F), (0xA0, 0x180), (0x384, 0x3D0), (0x400, 0x460)),
    *((0x3041, 0x3097), (0x30A1, 0x30FC)),
)
PUNCTUATION = "·—‘’“”…、。〈〉《》「」『』【】！（），：；？％"
_FIRST_ROW, _LAST_ROW, _CELLS = 0xB0, 0xD7, range(0xA1, 0xFF)


def common_chinese() -> Iterator[str]:
    """Yield the characters of the first level of GB 2312."""
    for row in range(_FIRST_ROW, _LAST_ROW + 1):
        # The last row has five empty cells.
        yield from bytes(byte for cell in _CELLS for byte in (row, cell)).decode("gb2312", errors="ignore")


def characters() -> set[str]:
    """Return all characters that the label's font has."""
    letters = {chr(code) for start, end in RANGES for code in range(start, end)}
    return letters | {*common_chinese(), *PUNCTUATION}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="NotoSansCJK-Regular.ttc, Debian: fonts-noto-cjk")
    parser.add_argument("--out", type=Path, default=OWN_FONT)
    chosen = parser.parse_args()
    faces = [font["name"].getDebugName(4) for font in TTCollection(chosen.source).fonts]
    # Equal sources give equal bytes.
    font = TTFont(chosen.source, fontNumber=faces.index(FACE), recalcTimestamp=False)
    options = subset.Options()
    options.layout_features, options.hinting, options.notdef_outline = [], False, True
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(sorted(characters())))
    subsetter.subset(font)
    font.save(chosen.out)
    print(f"{chosen.out}: {len(characters())} characters, {chosen.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
