"""`brushwork prune`."""

import re
from typing import Annotated

import typer
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.database import Database
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.retention import Retention
from brushwork_schemas.settings import Settings

from brushwork.cli.terminal import DATA, print_json

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")


def prune(
    older_than: Annotated[str, typer.Option(help="Since their end: 30d, 12h, 90min.", metavar="TIME")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Remove jobs that ended long ago, and files that no job refers to."""
    settings = Settings.load()
    database = Database(settings.database_url.get_secret_value())
    try:
        pruned = Retention(database, ArtifactStore(settings.artifacts_url)).prune(
            seconds(older_than), dry_run=dry_run
        )
    finally:
        database.close()
    if as_json:
        return print_json(pruned)
    verb = "Would remove" if dry_run else "Removed"
    DATA.print(
        f"{verb} {pruned.num_jobs} jobs and {pruned.num_files} files, {pruned.num_bytes / 1e6:.1f} MB."
    )


def seconds(text: str) -> float:
    """A length of time as people write it.

    Raises:
        InvalidRequest: It is none.
    """
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise InvalidRequest(
            f"older-than: {text!r} is no length of time.", field="older-than", hint="Write 30d, 12h or 90min."
        )
    return float(found[1]) * _SECONDS[found[2]]
