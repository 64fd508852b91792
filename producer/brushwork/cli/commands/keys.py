"""`brushwork keys`: API keys for the gateway."""

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
from brushwork.cli.operations import OperationGroup
from brushwork.cli.terminal import DATA, NEWS, print_json

keys = typer.Typer(
    name="keys",
    cls=OperationGroup,
    help="Manage API keys for the gateway. Once a key exists, every request requires one.",
    no_args_is_help=True,
)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for the key, such as its user.")],
    tenant: Annotated[str, typer.Option(help="Tenant whose jobs and files the key may use.")] = "",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What the key may do; may be repeated.", show_default="submit, read"),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Largest number of requests per minute.", show_default=False)
    ] = None,
    daily_budget: Annotated[
        float | None,
        typer.Option(help="Largest cost per UTC day, in megapixels x steps.", show_default=False),
    ] = None,
    max_open_jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Largest number of unfinished jobs of its tenant.", show_default=False),
    ] = None,
    max_stored_bytes: Annotated[
        int | None,
        typer.Option(min=1, help="Largest size of all files of its tenant, in bytes.", show_default=False),
    ] = None,
    expires_in: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time until the key expires: 90d, 12h.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key. It is printed only now, alone on standard output."""
    with open_database() as database:
        store = ApiKeys(database)
        key = store.create(
            name,
            tenant=tenant,
            scopes=scope or (Scope.SUBMIT, Scope.READ),
            requests_per_minute=requests_per_minute,
            daily_budget=daily_budget,
            max_open_jobs=max_open_jobs,
            max_stored_bytes=max_stored_bytes,
            expires_in_s=None if expires_in is None else seconds(expires_in, "expires-in"),
        )
        made = store.get(id_of(key))
    if as_json:
        return print_json({"key": key, **_shown(made, Usage())})
    may = ", ".join(sorted(made.scopes))
    NEWS.print(
        f"Key {made.id} ({made.name}) may {may}. Only its hash is stored, so note the key now:",
        soft_wrap=True,
    )
    DATA.print(key, soft_wrap=True)
    NEWS.print(
        "Set it as BRUSHWORK_API_KEY, or send it in the header Authorization: Bearer KEY.", soft_wrap=True
    )


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys with their usage of today."""
    with open_database() as database:
        found, usage = ApiKeys(database).list(), KeyUsage(database).today()
    if as_json:
        return print_json([_shown(key, usage.get(key.id, Usage())) for key in found])
    DATA.print(_table(found, usage))


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key, as `list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a key. Gateways refuse it within two seconds."""
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
    for heading in (
        "id",
        "name",
        "tenant",
        "scopes",
        "per minute",
        "today",
        "open jobs",
        "stored bytes",
        "last used",
        "valid",
    ):
        table.add_column(heading, overflow="fold")
    for key in found:
        table.add_row(
            key.id,
            Text(key.name),
            Text(key.tenant),
            ", ".join(sorted(key.scopes)),
            _limit(key.requests_per_minute),
            f"{usage.get(key.id, Usage()).cost:.4g} of {_limit(key.daily_budget)}",
            _limit(key.max_open_jobs),
            "any" if key.max_stored_bytes is None else f"{key.max_stored_bytes:,}",
            f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never",
            _validity(key),
        )
    return table


def _limit(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"


def _validity(key: ApiKey) -> Text:
    if key.revoked_at is not None:
        return Text("revoked", "red")
    if key.expires_at is None:
        return Text("yes", "green")
    if key.expires_at <= datetime.now(UTC):
        return Text("expired", "red")
    return Text(f"until {key.expires_at:%Y-%m-%d %H:%M}", "green")
