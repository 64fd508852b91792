"""Output of the command: data to standard output, messages and errors to standard error."""

import json
import sys

from brushwork_schemas.errors import BrushworkError, RequestError
from brushwork_schemas.wording.foreign_text import json_visible
from pydantic import TypeAdapter
from rich.text import Text

from brushwork.cli.safe_console import SafeConsole

# Width for pipes and files, so that lines are not cut to 80 characters.
PIPE_WIDTH = 200
DATA = SafeConsole(width=None if sys.stdout.isatty() else PIPE_WIDTH)
NEWS = SafeConsole(stderr=True)


def print_json(value: object) -> None:
    """Print models or dataclasses as indented JSON, never wrapped or coloured."""
    sys.stdout.write(json_visible(TypeAdapter(object).dump_json(value, indent=2).decode()) + "\n")


def print_error_as_json(error: BrushworkError) -> None:
    """Print an error as one JSON object on standard error: code, message, field, hint and fault."""
    names = ("code", "message", "field", "hint", "fault")
    sys.stderr.write(json.dumps({name: getattr(error, name) for name in names}, ensure_ascii=False) + "\n")


def print_error(error: BrushworkError) -> None:
    """Print the message and the hint of an error."""
    NEWS.print(Text.assemble(("Error: ", "bold red"), error.message), soft_wrap=True)
    if error.hint:
        NEWS.print(Text(error.hint, "yellow"), soft_wrap=True)
    for other in error.errors[1:] if isinstance(error, RequestError) else ():
        NEWS.print(Text.assemble(("Error: ", "bold red"), other.message), soft_wrap=True)
        if other.hint:
            NEWS.print(Text(other.hint, "yellow"), soft_wrap=True)
