"""Imports what a worker needs once, then forks a process for each order: to import torch alone takes seconds.

`python -m tests.fork_server` reads orders from its standard input, a JSON object on each line, and reports on
its standard output which processes have started and which have ended. All of them end with this process.
"""

import ctypes
import gc
import json
import os
import select
import signal
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fork_server.preloading import preload

LOOK_S = 0.02
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Order:
    """A process to start; fields are as the arguments of `ForkServer.start`."""

    number: int
    entry: str
    arguments: dict[str, Any]
    environment: dict[str, str]
    log: str


def main() -> None:
    """Fork processes until the input ends."""
    preload()
    # What is here now is shared with every process: no garbage collection has to look at it again.
    gc.collect()
    gc.freeze()
    _report(ready=os.getpid())
    rest = b""
    while True:
        if select.select([0], [], [], LOOK_S)[0]:
            received = os.read(0, 1 << 16)
            if not received:
                # The forked processes are signalled when this one ends.
                return
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                _start(Order(**json.loads(line)))
        _report_ends()


def _start(order: Order) -> None:
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run(order, server)
        # Out of the loop as from any main function: the interpreter's own end is part of the test.
        sys.exit()
    _report(order=order.number, started=pid)


def _report_ends() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _report(ended=pid, status=os.waitstatus_to_exitcode(status))


def _report(**words: int) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def _run(order: Order, server: int) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != server:
        os._exit(1)
    _redirect(Path(order.log))
    os.environ.clear()
    os.environ.update(order.environment)
    module, _, name = order.entry.partition(":")
    getattr(import_module(module), name)(**order.arguments)


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


if __name__ == "__main__":
    main()
