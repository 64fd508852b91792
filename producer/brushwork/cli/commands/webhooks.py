"""`brushwork webhooks`: the sender of webhooks, and its events."""

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
from brushwork.cli.operations import OperationGroup
from brushwork.cli.terminal import DATA, print_json

webhooks = typer.Typer(
    name="webhooks",
    cls=OperationGroup,
    help="Send webhooks, and list and resend their events.",
    no_args_is_help=True,
)


@webhooks.command()
def send(
    receivers: Annotated[
        int, typer.Option(min=1, max=100, help="Largest number of requests at the same time.")
    ] = 64,
) -> None:
    """Send webhooks until the process receives a signal to stop.

    Several senders may run. Requires BRUSHWORK_WEBHOOK_SECRET.
    """
    # Imported here, because it imports an HTTP client that the other commands do not need.
    from brushwork.webhooks.service import serve

    serve(Settings.load(), num_receivers=receivers)


@webhooks.command("list")
def list_events(
    dead: Annotated[bool, typer.Option("--dead", help="Only events that are not tried again.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Largest number of events.")] = 20,
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
        typer.Argument(metavar="[EVENT_ID]", help="Id of the event, as `list` shows it.", show_default=False),
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Send all dead events again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send an event again, or all dead events, with the full number of tries."""
    if (event_id is None) is not dead:
        raise InvalidRequest(
            "event_id: pass the id of an event, or --dead, and not both.",
            field="event_id",
            hint="List dead events with: brushwork webhooks list --dead",
        )
    with _outbox() as outbox:
        if event_id is None:
            replayed = outbox.replay_dead()
        else:
            outbox.replay(event_id)
            replayed = 1
    if as_json:
        return print_json({"replayed": replayed})
    DATA.print(
        f"{replayed} events will be sent again." if event_id is None else f"{event_id} will be sent again."
    )


@contextmanager
def _outbox() -> Iterator[Outbox]:
    with open_database() as database:
        yield Outbox(database)


def _table(events: Sequence[WebhookEvent]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("event", "url", "delivery", "tries", "last response"):
        table.add_column(heading, overflow="fold")
    for event in events:
        answer = event.last_error or (str(event.last_status) if event.last_status else "")
        table.add_row(
            Text(event.id), Text(event.url), _delivery(event), str(event.attempts), Text(answer, "dim")
        )
    return table


def _delivery(event: WebhookEvent) -> Text:
    if event.dead:
        return Text("dead", "red")
    if event.delivered_at is not None:
        return Text(f"{event.delivered_at:%Y-%m-%d %H:%M:%S}", "green")
    return Text(f"due {event.next_try_at:%Y-%m-%d %H:%M:%S}" if event.next_try_at else "", "yellow")
