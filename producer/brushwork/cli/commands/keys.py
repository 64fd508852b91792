"""`brushwork keys`: who may come in by HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from brushwork_core.access.api_keys import ApiKey, ApiKeys, Scope, id_of
from brushwork_core.access.key_usage import KeyUsage, Usage
from rich.table import Table
from rich.text import Text

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import open_database
from brushwork.cli.duration import seconds
from brushwork.cli.terminal import DATA, NEWS, print_json

keys = typer.Typer(
    name="keys",
    help="Keys for the HTTP gateway; from the first one on, every request needs one.",
    no_args_is_help=True,
)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What you call it: who or what will use it.")],
    tenant: Annotated[str, typer.Option(help="Whose jobs and files it sees, and its jobs are.")] = "",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do; may be given several times.", show_default="submit, read"),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Most requests a minute.", show_default=False)
    ] = None,
    daily_budget: Annotated[
        float | None, typer.Option(help="Most megapixels x steps a day, UTC.", show_default=False)
    ] = None,
    max_open_jobs: Annotated[
        int | None, typer.Option(min=1, help="Most jobs of its tenant at once.", show_default=False)
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(metavar="TIME", help="Its life: 90d, 12h.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is printed this once, alone on standard output."""
    with open_database() as database:
        store = ApiKeys(database)
        key = store.create(
            name,
            tenant=tenant,
            scopes=scope or (Scope.SUBMIT, Scope.READ),
            requests_per_minute=requests_per_minute,
            daily_budget=daily_budget,
            max_open_jobs=max_open_jobs,
            expires_in_s=None if expires_in is None else seconds(expires_in, "expires-in"),
        )
        made = store.get(id_of(key))
    if as_json:
        return print_json({"key": key, **_shown(made, Usage())})
    may = ", ".join(sorted(made.scopes))
    NEWS.print(f"Key {made.id} ({made.name}) may {may}. Only its hash is kept, so note it:", soft_wrap=True)
    DATA.print(key, soft_wrap=True)
    NEWS.print("Use it as BRUSHWORK_API_KEY, or as the header Authorization: Bearer KEY.", soft_wrap=True)


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, with what they used today."""
    with open_database() as database:
        found, usage = ApiKeys(database).list(), KeyUsage(database).today()
    if as_json:
        return print_json([_shown(key, usage.get(key.id, Usage())) for key in found])
    DATA.print(_table(found, usage))


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="A key's id, as `list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Make a key open nothing any more; gateways notice within two seconds."""
    with open_database() as database:
        store = ApiKeys(database)
        store.revoke(key_id)
        revoked, used = store.get(key_id), KeyUsage(database).today().get(key_id, Usage())
    if as_json:
        return print_json(_shown(revoked, used))
    DATA.print(f"{revoked.id} ({revoked.name}) is revoked.", soft_wrap=True)


def _shown(key: ApiKey, usage: Usage) -> dict[str, object]:
    return {**asdict(key), "scopes": sorted(key.scopes), "used_today": asdict(usage)}


def _table(found: Sequence[ApiKey], usage: Mapping[str, Usage]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("id", "name", "tenant", "may", "a minute", "today", "open jobs", "used", "in force"):
        table.add_column(heading, overflow="fold")
    for key in found:
        table.add_row(
            key.id,
            Text(key.name),
            Text(key.tenant),
            ", ".join(sorted(key.scopes)),
            _bound(key.requests_per_minute),
            f"{usage.get(key.id, Usage()).cost:.4g} of {_bound(key.daily_budget)}",
            _bound(key.max_open_jobs),
            f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never",
            _standing(key),
        )
    return table


def _bound(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:g}"


def _standing(key: ApiKey) -> Text:
    if key.revoked_at is not None:
        return Text("revoked", "red")
    if key.expires_at is None:
        return Text("yes", "green")
    if key.expires_at <= datetime.now(UTC):
        return Text("expired", "red")
    return Text(f"until {key.expires_at:%Y-%m-%d %H:%M}", "green")
