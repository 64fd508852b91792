"""`brushwork review`: look at results that policies hold, and release or refuse them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from brushwork_core.audit.audit_log import AuditAction, AuditLog, Record
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.ledger.held_results import HeldResult, HeldResults
from brushwork_core.policies.decision import LONGEST_REASON
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import artifacts_within
from rich.table import Table
from rich.text import Text

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import open_database
from brushwork.cli.operations import OperationGroup
from brushwork.cli.terminal import DATA, print_json

review = typer.Typer(
    name="review",
    cls=OperationGroup,
    help="List results that policies hold, and release or refuse them.",
    no_args_is_help=True,
)
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.", show_default=False)]


@review.command("list")
def list_reviews(
    limit: Annotated[int, typer.Option(min=1, max=500, help="Largest number of results.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List held results, the one that waits longest first."""
    with _opened() as (database, _, held_results):
        found = held_results.list(limit)
        _note_read(database, found)
    if as_json:
        return print_json([_fields(each) for each in found])
    DATA.print(_table(found))


@review.command()
def show(
    job_id: JobId,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the files of the result there.", show_default=False),
    ] = None,
) -> None:
    """Print a held result as JSON, and save its files."""
    with _opened() as (database, store, held_results):
        found = held_results.get(job_id)
        _note_read(database, [found])
        if save is not None:
            save.mkdir(parents=True, exist_ok=True)
            for index, artifact in enumerate(artifacts_within(found.job.result)):
                ending = artifact.media_type.rpartition("/")[2]
                (save / f"{job_id}-{index}.{ending}").write_bytes(store.get(artifact.sha256))
    print_json(_fields(found))


@review.command()
def release(job_id: JobId) -> None:
    """Serve a held result to its caller."""
    with _opened() as (_, _, held_results):
        held_results.release(job_id)
    DATA.print(f"Job {job_id} has succeeded, and its result is served.", soft_wrap=True)


@review.command()
def refuse(
    job_id: JobId,
    reason: Annotated[
        str, typer.Option(help="What the caller reads; by default the reason of the policy.")
    ] = "",
) -> None:
    """End the job of a held result as failed, and remove the result."""
    with _opened() as (_, _, held_results):
        held_results.refuse(job_id, reason[:LONGEST_REASON])
    DATA.print(f"Job {job_id} has failed with the code policy_refused.", soft_wrap=True)


@contextmanager
def _opened() -> Iterator[tuple[Database, ArtifactStore, HeldResults]]:
    with open_database() as database:
        store = ArtifactStore(Settings.load().artifacts_url)
        yield database, store, HeldResults(database, UnusedFiles(database, store).remove)


def _note_read(database: Database, found: list[HeldResult]) -> None:
    """Record that a person on the command line reads results of tenants."""
    records = [Record(AuditAction.JOB_READ, (each.job.id,), each.job.tenant or None) for each in found]
    AuditLog(database).add(*records)


def _fields(held: HeldResult) -> dict[str, object]:
    job = held.job.model_dump(mode="json", include={"id", "kind", "model", "tenant", "request", "result"})
    return {**job, "policy": held.policy, "reason": held.reason, "since": held.since.isoformat()}


def _table(found: list[HeldResult]) -> Table:
    table = Table("job", "kind", "tenant", "policy", "reason", "since", box=None)
    for each in found:
        job = each.job
        since = f"{each.since:%Y-%m-%d %H:%M}"
        table.add_row(*map(Text, (job.id, job.kind, job.tenant, each.policy, each.reason, since)))
    return table
