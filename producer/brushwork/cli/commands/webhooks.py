"""`brushwork webhooks`: the sender, and a look at what it does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from brushwork_core.ledger.outbox import Outbox, WebhookEvent
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest
from rich.table import Table
from rich.text import Text

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import open_database
from brushwork.cli.terminal import DATA, print_json

webhooks = typer.Typer(
    name="webhooks", help="Tell others of jobs that have ended, and see who was told.", no_args_is_help=True
)


@webhooks.command()
def send(
    receivers: Annotated[int, typer.Option(min=1, max=100, help="Receivers told at once.")] = 64,
) -> None:
    """Send webhooks until it is told to stop; any number may run. Needs BRUSHWORK_WEBHOOK_SECRET."""
    # Here, for it brings an HTTP client along, which the other commands do without.
    from brushwork.webhooks.service import serve

    serve(Settings.load(), num_receivers=receivers)


@webhooks.command("list")
def list_events(
    dead: Annotated[bool, typer.Option("--dead", help="Only those that nobody will try again.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List events, newest first."""
    with _outbox() as outbox:
        events = outbox.list(dead=dead, limit=limit)
    if as_json:
        return print_json(events)
    DATA.print(_table(events))


@webhooks.command()
def replay(
    event_id: Annotated[
        str | None,
        typer.Argument(metavar="[EVENT_ID]", help="An event's id, as `list` shows it.", show_default=False),
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All dead events.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell an event again, or all dead ones, with all tries before them."""
    if (event_id is None) is not dead:
        raise InvalidRequest(
            "event_id: one event is to be named, or --dead for all dead ones.",
            field="event_id",
            hint="See: brushwork webhooks list --dead",
        )
    with _outbox() as outbox:
        if event_id is None:
            replayed = outbox.replay_dead()
        else:
            outbox.replay(event_id)
            replayed = 1
    if as_json:
        return print_json({"replayed": replayed})
    DATA.print(f"{replayed} events are told again." if event_id is None else f"{event_id} is told again.")


@contextmanager
def _outbox() -> Iterator[Outbox]:
    with open_database() as database:
        yield Outbox(database)


def _table(events: Sequence[WebhookEvent]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("event", "url", "told", "tries", "last answer"):
        table.add_column(heading, overflow="fold")
    for event in events:
        answer = event.last_error or (str(event.last_status) if event.last_status else "")
        table.add_row(
            Text(event.id), Text(event.url), _standing(event), str(event.attempts), Text(answer, "dim")
        )
    return table


def _standing(event: WebhookEvent) -> Text:
    if event.dead:
        return Text("dead", "red")
    if event.delivered_at is not None:
        return Text(f"{event.delivered_at:%Y-%m-%d %H:%M:%S}", "green")
    return Text(f"due {event.next_try_at:%Y-%m-%d %H:%M:%S}" if event.next_try_at else "", "yellow")
