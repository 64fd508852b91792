"""`brushwork prune`."""

from typing import Annotated

import typer
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.retention import Retention
from brushwork_core.settings.settings import Settings

from brushwork.cli.connection import open_database
from brushwork.cli.duration import seconds
from brushwork.cli.terminal import DATA, print_json


def prune(
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Time since the end of the job: 30d, 12h, 90min.", metavar="TIME", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Remove old jobs, and files that belong to no job.

    Jobs with a retention_s are removed after that time. Other jobs are removed only with --older-than.
    """
    age_s = None if older_than is None else seconds(older_than, "older-than")
    with open_database() as database:
        store = ArtifactStore(Settings.load().artifacts_url)
        pruned = Retention(database, store).prune(age_s, dry_run=dry_run)
    if as_json:
        return print_json(pruned)
    verb = "Would remove" if dry_run else "Removed"
    DATA.print(
        f"{verb} {pruned.num_jobs} jobs and {pruned.num_files} files, {pruned.num_bytes / 1e6:.1f} MB."
    )
