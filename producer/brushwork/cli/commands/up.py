"""`brushwork up`."""

import contextlib
import json
import logging
import os
import signal
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated

import typer
from brushwork_core.settings.environment import data_dir
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_core.telemetry.line_filter import json_line
from rich.text import Text

from brushwork.cli.commands.services import ALL_KINDS, kind_names
from brushwork.cli.exit_status import ExitStatus
from brushwork.cli.operations import OperationEnded
from brushwork.cli.terminal import DATA
from brushwork.embedded.stack import Stack, StackOptions
from brushwork.embedded.supervisor import PartFailed
from brushwork.embedded.worker_choice import choose

COLOURS = {"redis": "red", "worker": "cyan", "webhooks": "green", "flower": "magenta", "gateway": "blue"}
LOG_BYTES = 10_000_000
OLD_LOGS = 3


def up(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder for all data.", show_default="$BRUSHWORK_DATA or ./brushwork-data"),
    ] = None,
    kinds: Annotated[str, typer.Option(help="Kinds to serve, comma-separated.")] = ALL_KINDS,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Number of workers. They share the cores, or each takes one GPU.",
            show_default="chosen for this machine",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="Largest number of jobs at the same time in each worker.",
            show_default="chosen for this machine",
        ),
    ] = None,
    flower: Annotated[bool, typer.Option(help="Run Flower.")] = True,
    flower_port: Annotated[
        int | None, typer.Option(min=1, max=65535, show_default="a free one", help="Port of Flower.")
    ] = None,
    gateway: Annotated[bool, typer.Option(help="Run the gateway with the HTTP API and the page.")] = True,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, show_default="8600, or a free one", help="Port of the gateway."),
    ] = None,
) -> None:
    """Run everything on this machine until Ctrl-C: Redis, database, workers, webhooks, Flower, gateway.

    When everything is ready, DATA/brushwork.env has the addresses. After Ctrl-C, running jobs still end.
    A second Ctrl-C stops at once.
    """
    # Its parts read the settings. A wrong one should end this process before any part is started.
    choice = choose(Settings.load().device, workers=workers, concurrency=concurrency)
    # The ledger holds prompts and the artifacts are pictures of users: files are for their owner alone.
    os.umask(0o077)
    folder = data or data_dir()
    service_log = ServiceLog(folder / "logs")
    options = StackOptions(
        folder,
        kind_names(kinds),
        choice.workers,
        choice.concurrency,
        flower,
        flower_port,
        gateway,
        port,
        choice.reason,
    )
    stack = Stack(options, service_log.write)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A signal that was ignored at the start stays ignored, as under nohup.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stack.request_stop())
    wanted = {"page": gateway, "Flower": flower}
    try:
        stack.run(lambda addresses: _print_addresses(folder, addresses, wanted))
    except PartFailed as failed:
        # As useful as another start of the part alone.
        statuses = {status.value: status for status in (ExitStatus.SERVICE_AWAY, ExitStatus.MISCONFIGURED)}
        raise OperationEnded(failed, statuses.get(failed.status or 0, ExitStatus.MACHINE_ERROR)) from failed


class ServiceLog:
    """Writes the output of each service to a log file, and with the name of the service to the terminal.

    Args:
        folder: Folder of the log files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, RotatingFileHandler] = {}

    def write(self, service: str, line: str) -> None:
        """Write a line of a service. If the log is JSON, the line becomes an object with the name."""
        if log.is_captured():
            self._write_json(service, line)
            return
        self._file(service).emit(logging.makeLogRecord({"msg": line}))
        prefix = Text(f"{service:>8} | ", COLOURS.get(service.split()[0], "white"))
        _print(prefix + Text.from_ansi(line))

    def _write_json(self, service: str, line: str) -> None:
        found = json_line(line, service)
        if found is not None:
            named = json.dumps({"service": service, **json.loads(found)})
            self._file(service).emit(logging.makeLogRecord({"msg": named}))
            # Standard output passes a JSON object on as it is.
            print(named, flush=True)

    def _file(self, service: str) -> RotatingFileHandler:
        if service not in self._files:
            self._files[service] = RotatingFileHandler(
                self._folder / f"{service.replace(' ', '-')}.log",
                maxBytes=LOG_BYTES,
                backupCount=OLD_LOGS,
                encoding="utf-8",
            )
        return self._files[service]


# What `brushwork up` prints about a service, the setting with its address, and the extra that it needs.
SERVICES = (("page", "BRUSHWORK_GATEWAY_URL", "gateway"), ("Flower", "BRUSHWORK_FLOWER_URL", "monitor"))


def _print_addresses(folder: Path, addresses: Mapping[str, str], wanted: Mapping[str, bool]) -> None:
    _print(Text("brushwork is ready.", "bold green"))
    _print(Text(f"  addresses  source {folder}/brushwork.env"))
    for name, variable, extra in SERVICES:
        if variable in addresses:
            _print(Text(f"  {name:<9}  {addresses[variable]}"))
        elif wanted[name]:
            lacks = f"not running: its packages are not installed. Run: pip install 'brushwork[{extra}]'"
            _print(Text(f"  {name:<9}  {lacks}", "yellow"))
    _print(Text("  stop       Ctrl-C"))


def _print(line: Text) -> None:
    # When the reader of a pipe is gone, Rich raises SystemExit. The services must go on.
    with contextlib.suppress(OSError, SystemExit):
        DATA.print(line, soft_wrap=True)
