"""Pictures in the terminal: sixels, the kitty protocol, or half-block characters in colour."""

import io
import logging
import os
import sys

from PIL import Image

from brushwork.cli.terminal import DATA

WIDTH_CELLS = 40


def show_picture(data: bytes) -> None:
    """Show an encoded picture as well as this terminal can; nothing where the output is no terminal."""
    if not (DATA.is_terminal and sys.stdin.isatty() and os.get_terminal_size().columns):
        return
    # A terminal that does not tell its size is no news; it gets half blocks.
    logging.getLogger("textual_image").setLevel(logging.CRITICAL)
    # Its import asks the terminal what it can do, so it must not happen before we are sure of one.
    from textual_image.renderable import Image as TerminalImage

    with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as picture:
        DATA.print(TerminalImage(picture.convert("RGB"), width=min(WIDTH_CELLS, DATA.width), height="auto"))
