"""`brushwork review`: look at results that policies hold, and release or refuse them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from brushwork_core.policies.decision import LONGEST_REASON
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from rich.table import Table
from rich.text import Text

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.operations import OperationGroup
from brushwork.cli.review.review_desk import PendingReview, ReviewDesk, opened_desk
from brushwork.cli.terminal import DATA, print_json

review = typer.Typer(
    name="review",
    cls=OperationGroup,
    help="List results that policies hold, and release or refuse them. A key for this has the scope admin.",
    no_args_is_help=True,
)
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.", show_default=False)]


@review.command("list")
def list_reviews(
    limit: Annotated[int, typer.Option(min=1, max=500, help="Largest number of results.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List held results, the one that waits longest first."""
    with opened_desk() as desk:
        found = desk.list(limit)
    if as_json:
        return print_json([each.fields for each in found])
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
    with opened_desk() as desk:
        found = desk.get(job_id)
        if save is not None:
            _save(desk, found, save)
    print_json(found.fields)


@review.command()
def release(job_id: JobId) -> None:
    """Serve a held result to its caller."""
    with opened_desk() as desk:
        desk.release(job_id)
    DATA.print(f"Job {job_id} has succeeded, and its result is served.", soft_wrap=True)


@review.command()
def refuse(
    job_id: JobId,
    reason: Annotated[
        str, typer.Option(help="What the caller reads; by default the reason of the policy.")
    ] = "",
) -> None:
    """End the job of a held result as failed, and remove the result."""
    with opened_desk() as desk:
        desk.refuse(job_id, reason[:LONGEST_REASON])
    DATA.print(f"Job {job_id} has failed with the code policy_refused.", soft_wrap=True)


def _save(desk: ReviewDesk, found: PendingReview, folder: Path) -> None:
    job_id = found.fields["id"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, file in enumerate(found.files):
            content, media_type = desk.content(job_id, file)
            ending = media_type.partition(";")[0].rpartition("/")[2]
            (folder / f"{job_id}-{index}.{ending}").write_bytes(content)
    except OSError as error:
        raise InvalidRequest(
            said("save: cannot write to {folder}: {error}.", folder=folder, error=error),
            field="save",
            hint="Choose another folder.",
        ) from error


def _table(found: Sequence[PendingReview]) -> Table:
    table = Table("job", "kind", "tenant", "policy", "reason", "since", box=None)
    for each in found:
        fields = each.fields
        since = fields["since"][:16].replace("T", " ")
        names = ("id", "kind", "tenant", "policy", "reason")
        table.add_row(*(Text(str(fields[name])) for name in names), Text(since))
    return table
