"""`brushwork prune`."""

from typing import Annotated

import typer
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.database import Database
from brushwork_schemas.retention import Retention
from brushwork_schemas.settings import Settings

from brushwork.cli.duration import seconds
from brushwork.cli.terminal import DATA, print_json


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
            seconds(older_than, "older-than"), dry_run=dry_run
        )
    finally:
        database.close()
    if as_json:
        return print_json(pruned)
    verb = "Would remove" if dry_run else "Removed"
    DATA.print(
        f"{verb} {pruned.num_jobs} jobs and {pruned.num_files} files, {pruned.num_bytes / 1e6:.1f} MB."
    )
