"""A worker whose text-to-image follows scripts; the fork server runs it, in a process of its own."""

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from brushwork_core.fleet.takeover import take_over_from_dead
from brushwork_core.settings.settings import Settings
from brushwork_workers.interface import LoadedModules
from brushwork_workers.process.service import serve

from tests.chaos.journal import Journal
from tests.chaos.performer import Scripted

SCRIPTED_KIND = "text-to-image"


def run(
    settings: dict[str, Any],
    name: str,
    kinds: list[str],
    concurrency: int,
    journal: str,
    clock_ahead_s: float,
) -> None:
    """Run a worker as `brushwork worker` does; arguments are as those of `Nursery.start`."""
    if clock_ahead_s:
        set_clock_ahead(clock_ahead_s)
    scripted = LoadedModules({SCRIPTED_KIND: Scripted(Journal(Path(journal)))})
    chosen = Settings(**settings)
    take_over_from_dead(chosen)
    serve(
        chosen,
        kinds=kinds,
        name=name,
        concurrency=concurrency,
        loaders={"stable-diffusion": lambda spec: scripted},
    )


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
