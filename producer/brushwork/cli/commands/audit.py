"""`brushwork audit`: who did what to keys, jobs and files."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from brushwork_core.audit.audit_log import AuditEvent, AuditFilter, AuditLog
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.foreign_text import json_visible
from brushwork_schemas.wording.phrase import said
from rich.text import Text

from brushwork.cli.connection import open_database
from brushwork.cli.duration import seconds
from brushwork.cli.terminal import DATA

MOST_SHOWN = 3


def audit(
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only records since then: 12h, 30d, or a moment such as 2026-11-30T12:00.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only records before then, in the same forms.", show_default=False),
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(help="Only this actor, or this kind: key:1f2e3d4c5b6a, operator.", show_default=False),
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(help="Only this action, or these: job.deleted, key.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each record as a line of JSON.")] = False,
) -> None:
    """Print the audit log, the oldest record first: who did what to keys, jobs and files, and from where."""
    wanted = AuditFilter(
        since=None if since is None else _moment(since, "since"),
        until=None if until is None else _moment(until, "until"),
        actor=actor,
        action=action,
    )
    with open_database() as database:
        events = AuditLog(database).events(wanted)
        _print_lines(events) if as_json else _print(events)


def _moment(text: str, option: str) -> datetime:
    """The moment that an option names. A time without a zone is in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return datetime.now(UTC) - timedelta(seconds=seconds(text, option))
        except (InvalidRequest, OverflowError):
            raise InvalidRequest(
                said("{field}: {text!r} is neither a duration nor a moment.", field=option, text=text),
                field=option,
                hint="Use a duration such as 12h or 30d, or a moment such as 2026-11-30T12:00.",
            ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print_lines(events: Iterable[AuditEvent]) -> None:
    for event in events:
        sys.stdout.write(json_visible(json.dumps(event.as_json(), ensure_ascii=False)) + "\n")


def _print(events: Iterable[AuditEvent]) -> None:
    for event in events:
        done = "" if event.outcome == "done" else f" ({event.outcome})"
        line = Text(f"{event.at:%Y-%m-%d %H:%M:%S}  {event.actor} from {event.origin}  ", "dim")
        line.append(f"{event.action}{done}", "bold" if not done else "yellow")
        line.append(f"  {_subjects(event)}")
        DATA.print(line, soft_wrap=True)


def _subjects(event: AuditEvent) -> str:
    shown = list(event.subjects[:MOST_SHOWN])
    if more := len(event.subjects) - len(shown):
        shown.append(f"and {more} more")
    of_tenant = f" of tenant {event.tenant}" if event.tenant else ""
    detail = ", ".join(f"{name}={value}" for name, value in event.detail.items() if value is not None)
    return f"{', '.join(shown)}{of_tenant}{f'  {detail}' if detail else ''}"
