"""Imports all of a worker once, then forks a worker process for each order: torch alone takes seconds.

`python -m tests.chaos.zygote` reads orders from its standard input, a JSON object on each line, and says on
its standard output which processes were born and which have ended. It and its workers end with its input.
"""

import ctypes
import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# Not by name: the worker's own modules import these late, and each fork would pay for it again.
import alembic.command  # noqa: F401
import celery.apps.worker
import celery.concurrency.thread  # noqa: F401
import kombu.transport.redis  # noqa: F401
import psycopg  # noqa: F401
from brushwork_core.database import migration  # noqa: F401
from brushwork_core.fleet.takeover import take_over_from_dead
from brushwork_core.settings.settings import Settings
from brushwork_workers.interface import LoadedModules
from brushwork_workers.process import consumer  # noqa: F401
from brushwork_workers.process.service import serve

from tests.chaos.journal import Journal
from tests.chaos.performer import Scripted

LOOK_S = 0.02
PR_SET_PDEATHSIG = 1
SCRIPTED_KIND = "text-to-image"


@dataclass(frozen=True)
class Order:
    """A worker that is to be born; fields are as those of `Nursery.start`."""

    number: int
    settings: dict[str, Any]
    name: str
    kinds: list[str]
    concurrency: int
    log: str
    journal: str
    clock_ahead_s: float


def main() -> None:
    """Bear workers until the input ends."""
    _say(ready=os.getpid())
    rest = b""
    while True:
        if select.select([0], [], [], LOOK_S)[0]:
            received = os.read(0, 1 << 16)
            if not received:
                # The workers' leashes are tied to this process.
                return
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                _bear(Order(**json.loads(line)))
        _bury()


def _bear(order: Order) -> None:
    zygote = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(order, zygote)
        # Out of the loop as from any worker's main function: the interpreter's own end is part of the test.
        sys.exit()
    _say(order=order.number, born=pid)


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(ended=pid, status=os.waitstatus_to_exitcode(status))


def _say(**words: int) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def _live(order: Order, zygote: int) -> None:
    """A worker's life, as `brushwork worker` begins it."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != zygote:
        os._exit(1)
    _redirect(Path(order.log))
    if order.clock_ahead_s:
        set_clock_ahead(order.clock_ahead_s)
    scripted = LoadedModules({SCRIPTED_KIND: Scripted(Journal(Path(order.journal)))})
    settings = Settings(**order.settings)
    take_over_from_dead(settings)
    serve(
        settings,
        kinds=order.kinds,
        name=order.name,
        concurrency=order.concurrency,
        loaders={"stable-diffusion": lambda spec: scripted},
    )


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def set_clock_ahead(seconds: float) -> None:
    """Have `time.time` of this process tell a later time, also where a module holds it by name."""
    true = time.time
    ahead = partial(_later, true, seconds)
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is true and name != "true":
                setattr(module, name, ahead)


def _later(true: Any, seconds: float) -> float:
    return float(true() + seconds)


if __name__ == "__main__":
    main()
