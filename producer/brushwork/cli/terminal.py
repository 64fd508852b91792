"""Where the command prints: data to standard output, news and complaints to standard error."""

import sys

from brushwork_schemas.errors import BrushworkError
from pydantic import TypeAdapter
from rich.console import Console
from rich.text import Text

# Lines for a pipe or a file are not cut to the width of a terminal that is not there.
PIPE_WIDTH = 200
DATA = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
NEWS = Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """Print models or dataclasses as indented JSON, never wrapped or coloured."""
    sys.stdout.write(TypeAdapter(object).dump_json(value, indent=2).decode() + "\n")


def complain(error: BrushworkError) -> None:
    """Say what happened, and what to do about it."""
    NEWS.print(Text.assemble(("Error: ", "bold red"), error.message), soft_wrap=True)
    if error.hint:
        NEWS.print(Text(error.hint, "yellow"), soft_wrap=True)
