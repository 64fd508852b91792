"""Pictures in the terminal, as sixels, by the kitty protocol, or as coloured half blocks."""

import io
import logging
import os
import sys

from brushwork_schemas.artifact import STORED_FORMATS
from PIL import Image

from brushwork.cli.terminal import DATA

WIDTH_CELLS = 40


def show_picture(data: bytes) -> None:
    """Show an encoded picture as well as the terminal can. Print nothing if the output is not a terminal."""
    if not (DATA.is_terminal and sys.stdin.isatty() and os.get_terminal_size().columns):
        return
    # The library warns about terminals that do not report their size, and uses half blocks for them.
    logging.getLogger("textual_image").setLevel(logging.CRITICAL)
    # The import queries the terminal, so it must come after the check that there is one.
    from textual_image.renderable import Image as TerminalImage

    with Image.open(io.BytesIO(data), formats=STORED_FORMATS) as picture:
        DATA.print(TerminalImage(picture.convert("RGB"), width=min(WIDTH_CELLS, DATA.width), height="auto"))
