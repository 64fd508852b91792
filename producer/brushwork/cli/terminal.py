"""Where the command prints: data to standard output, news and complaints to standard error."""

import sys
from collections.abc import Sequence

from brushwork_schemas.errors import BrushworkError
from pydantic import BaseModel, TypeAdapter
from rich.console import Console
from rich.text import Text

DATA = Console(highlight=False)
NEWS = Console(stderr=True, highlight=False)


def print_json(value: BaseModel | Sequence[object]) -> None:
    """Print models or dataclasses as indented JSON, never wrapped or coloured."""
    sys.stdout.write(TypeAdapter(object).dump_json(value, indent=2).decode() + "\n")


def complain(error: BrushworkError) -> None:
    """Say what happened, and what to do about it."""
    NEWS.print(Text.assemble(("Error: ", "bold red"), error.message))
    if error.hint:
        NEWS.print(Text(error.hint, "yellow"))
