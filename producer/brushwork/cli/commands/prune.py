"""`brushwork prune`."""

import logging
import signal
import sys
import time
from typing import Annotated, NoReturn

import typer
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.retention import Pruned, Retention
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_schemas.errors import ServiceMisconfigured, ServiceUnreachable

from brushwork.cli.connection import open_database
from brushwork.cli.duration import seconds
from brushwork.cli.terminal import DATA, print_json

LOGGER = logging.getLogger(__name__)
# The value of --older-than that removes no job but those whose own retention_s is over.
NEVER = "never"
# A run that a service ended is tried again after so long, or at the next interval if that is sooner.
RETRY_S = 60.0


def prune(
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Time since the end of the job: 30d, 12h, 90min; or never.",
            metavar="TIME",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            help="Repeat after this time, until a signal to stop: 1h, 1d.", metavar="TIME", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Remove old jobs, files that belong to no job, and old records of the audit log.

    Jobs with a retention_s are removed after that time. Other jobs are removed only with --older-than.
    """
    age_s = None if older_than is None or older_than == NEVER else seconds(older_than, "older-than")
    if every is not None:
        _repeat(seconds(every, "every"), age_s, dry_run=dry_run)
    pruned = _prune(age_s, dry_run=dry_run)
    if as_json:
        return print_json(pruned)
    DATA.print(_summary(pruned, dry_run=dry_run))


def _repeat(every_s: float, age_s: float | None, *, dry_run: bool) -> NoReturn:
    log.set_up(Settings.load().log_format)
    # The first process of a container ignores a signal without a handler. A run may be interrupted anywhere.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        try:
            LOGGER.info(_summary(_prune(age_s, dry_run=dry_run), dry_run=dry_run))
        except ServiceMisconfigured:
            raise
        except ServiceUnreachable as error:
            LOGGER.warning("Nothing more was removed: %s", error)
            time.sleep(min(every_s, RETRY_S))
        else:
            time.sleep(every_s)


def _prune(age_s: float | None, *, dry_run: bool) -> Pruned:
    with open_database() as database:
        settings = Settings.load()
        retention = Retention(database, ArtifactStore(settings.artifacts_url), settings.audit_days)
        return retention.prune(age_s, dry_run=dry_run)


def _summary(pruned: Pruned, *, dry_run: bool) -> str:
    verb = "Would remove" if dry_run else "Removed"
    told = f"{verb} {pruned.num_jobs} jobs and {pruned.num_files} files, {pruned.num_bytes / 1e6:.1f} MB"
    records = f", and {pruned.num_audit_records} old records of the audit log"
    return f"{told}{records if pruned.num_audit_records else ''}."
