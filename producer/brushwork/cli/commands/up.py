"""`brushwork up`."""

import contextlib
import logging
import signal
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated

import typer
from brushwork_core.settings.environment import data_dir
from rich.text import Text

from brushwork.cli.commands.services import ALL_KINDS, kind_names
from brushwork.cli.terminal import DATA
from brushwork.embedded.stack import Stack, StackOptions

COLOURS = {"redis": "red", "worker": "cyan", "webhooks": "green", "flower": "magenta", "gateway": "blue"}
LOG_BYTES = 10_000_000
OLD_LOGS = 3


def up(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that holds everything.", show_default="$BRUSHWORK_DATA or ./brushwork-data"
        ),
    ] = None,
    kinds: Annotated[str, typer.Option(help="Kinds to serve, comma-separated.")] = ALL_KINDS,
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, help="Workers; they divide the cores, or take a GPU each."),
    ] = 1,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Jobs at once, of each worker.")] = 16,
    flower: Annotated[bool, typer.Option(help="Run Flower beside it.")] = True,
    flower_port: Annotated[
        int | None, typer.Option(min=1, max=65535, show_default="a free one", help="Port of Flower.")
    ] = None,
    gateway: Annotated[bool, typer.Option(help="Answer HTTP: the API and the page.")] = True,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, show_default="8600, or a free one", help="Port of HTTP."),
    ] = None,
) -> None:
    """Run everything on this machine until Ctrl-C: Redis, ledger, workers, webhooks, Flower, HTTP.

    When all is ready, DATA/brushwork.env holds the addresses. Ctrl-C lets running jobs end; a second
    one stops at once.
    """
    folder = data or data_dir()
    lines = PartLines(folder / "logs")
    options = StackOptions(
        folder, kind_names(kinds), workers, concurrency, flower, flower_port, gateway, port
    )
    stack = Stack(options, lines.say)
    for wish in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What was ignored from the start stays so: nohup means it.
        if signal.getsignal(wish) is not signal.SIG_IGN:
            signal.signal(wish, lambda number, frame: stack.request_stop())
    stack.run(lambda addresses: _greet(folder, addresses))


class PartLines:
    """What the parts print: each to a log file of its own, and all, with their names, to the terminal.

    Args:
        folder: Where the files go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, RotatingFileHandler] = {}

    def say(self, part: str, line: str) -> None:
        """Take one line."""
        self._file(part).emit(logging.makeLogRecord({"msg": line}))
        prefix = Text(f"{part:>8} | ", COLOURS.get(part.split()[0], "white"))
        _print(prefix + Text.from_ansi(line))

    def _file(self, part: str) -> RotatingFileHandler:
        if part not in self._files:
            self._files[part] = RotatingFileHandler(
                self._folder / f"{part.replace(' ', '-')}.log",
                maxBytes=LOG_BYTES,
                backupCount=OLD_LOGS,
                encoding="utf-8",
            )
        return self._files[part]


def _greet(folder: Path, addresses: dict[str, str]) -> None:
    _print(Text("brushwork is ready.", "bold green"))
    _print(Text(f"  addresses  source {folder}/brushwork.env"))
    for name, variable in (("page", "BRUSHWORK_GATEWAY_URL"), ("Flower", "BRUSHWORK_FLOWER_URL")):
        if variable in addresses:
            _print(Text(f"  {name:<9}  {addresses[variable]}"))
    _print(Text("  stop       Ctrl-C"))


def _print(line: Text) -> None:
    # Where nobody reads any more, Rich would end this thread; the parts must not stop for that.
    with contextlib.suppress(OSError, SystemExit):
        DATA.print(line, soft_wrap=True)
