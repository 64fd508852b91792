"""`brushwork worker` and `workers`."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer
from brushwork_core.fleet.name_reservation import NameReservation
from brushwork_core.fleet.worker_registry import full_name
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.worker import SeenWorker
from rich.console import Group
from rich.table import Table

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import connect
from brushwork.cli.service import expect_services, service
from brushwork.cli.terminal import DATA, print_json
from brushwork.cli.views.batching import batching_table

ALL_KINDS = ",".join(all_kinds())
LogLevel = Literal["debug", "info", "warning", "error"]


def kind_names(text: str) -> tuple[str, ...]:
    """Return the names of kinds in a comma-separated list.

    Raises:
        UnknownKind: A name is not the name of a kind, or the list is empty.
    """
    return tuple(dict.fromkeys(kind_named(name.strip()).name for name in text.split(",")))


def worker(
    kinds: Annotated[str, typer.Option(help="Kinds to serve, comma-separated.")] = ALL_KINDS,
    concurrency: Annotated[
        int, typer.Option(min=1, max=256, help="Largest number of jobs at the same time.")
    ] = 16,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the worker, different from that of every other worker.", show_default=False
        ),
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="Lowest level of log messages.")] = "info",
) -> None:
    """Run a worker until it receives a signal to stop. Requires the extra `workers`."""
    served, settings = kind_names(kinds), Settings.load()
    name = full_name(name)
    # Before the import of torch, which takes seconds: what cannot succeed ends at once.
    expect_services(settings)
    reservation = NameReservation.made(settings, name, served)
    try:
        serve = service("worker")
        serve(
            settings,
            kinds=served,
            name=name,
            concurrency=concurrency,
            log_level=log_level,
            reservation=reservation,
        )
    finally:
        reservation.end(leave=True)


def workers(
    ready: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only check whether a worker with this text in its name is ready; status 3 if not.",
            show_default=False,
        ),
    ] = None,
    batching: Annotated[bool, typer.Option("--batching", help="Show statistics of the batching.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the workers that run."""
    with connect() as client:
        seen = client.workers()
        lease_s = client.settings.lease_s
    if ready is not None:
        return _expect_ready(ready, seen, lease_s)
    if as_json:
        return print_json(seen)
    DATA.print(batching_table(seen) if batching else _workers_table(seen))


def _workers_table(seen: Sequence[SeenWorker]) -> Table:
    table = Table("name", "ready", "device", "kinds", "models", "last seen", box=None, header_style="bold")
    for entry in seen:
        ready = "yes" if entry.ready else "starting"
        table.add_row(
            entry.name,
            ready,
            entry.device,
            Group(*entry.kinds),
            Group(*entry.models),
            f"{entry.silent_s:.0f} s",
        )
    return table


def _expect_ready(name: str, seen: Sequence[SeenWorker], lease_s: float) -> None:
    if not any(entry.ready and name in entry.name and entry.silent_s < lease_s for entry in seen):
        raise ServiceUnreachable(
            said(
                "No ready worker with {name!r} in its name has sent a heartbeat in the last {lease_s:g} s.",
                name=name,
                lease_s=lease_s,
            ),
            hint="List all workers with: brushwork workers",
        )
