"""A console on which foreign text cannot act: it is printed as text, whatever it contains."""

from collections.abc import Iterable
from typing import Any

from brushwork_schemas.wording.foreign_text import acting_characters, escaped
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

# Longer than any caption or prompt that a request may have.
LONGEST_TEXT = 10_000


class SafeConsole(Console):
    """A console that escapes control and direction characters of every text, and cuts very long ones.

    Brackets in a text are no markup: labels and names may contain them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render an object and, as Rich calls this for each, all objects inside of it."""
        if isinstance(renderable, str):
            renderable = Text(renderable)
        return super().render(safe(renderable) if isinstance(renderable, Text) else renderable, options)


def safe(text: Text) -> Text:
    """Return a text in which each character that could act on the terminal is escaped, with its styles."""
    if len(text.plain) > LONGEST_TEXT:
        number = len(text.plain)
        text = text[:LONGEST_TEXT] + Text(f"… ({number:,} characters)")
    places = acting_characters(text.plain)
    if not places:
        return text
    made = text.blank_copy()
    begin = 0
    for place in places:
        made.append_text(text[begin:place])
        made.append_text(Text(escaped(text.plain[place]), text.get_style_at_offset(_PLAIN, place)))
        begin = place + 1
    return made.append_text(text[begin:])


_PLAIN = Console()
