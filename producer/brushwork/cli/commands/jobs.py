"""`brushwork jobs`, `show`, `cancel` and `delete`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from brushwork_schemas.states import JobState

from brushwork.cli import completion
from brushwork.cli.connection import connect, note_read
from brushwork.cli.duration import seconds
from brushwork.cli.provenance.reading import show_picture
from brushwork.cli.terminal import DATA, NEWS, print_json
from brushwork.cli.views.job import jobs_table, print_job, print_outlook, save_files, state_text
from brushwork.typed.arguments import UntypedKind

JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `submit` prints it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KindName = Annotated[
    str | None,
    typer.Option(
        help="Only jobs or models of this kind.", autocompletion=completion.kinds, show_default=False
    ),
]
Age = Annotated[
    str | None, typer.Option(metavar="TIME", help="Duration: 90min, 12h, 30d.", show_default=False)
]


def jobs(
    kind: KindName = None,
    state: Annotated[
        JobState | None, typer.Option(help="Only jobs in this state.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Only jobs of this model.", autocompletion=completion.models, show_default=False),
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only jobs of this group.", show_default=False)] = None,
    text: Annotated[
        str | None, typer.Option(help="Only jobs with this text in prompt or caption.", show_default=False)
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Only jobs of this tenant.", show_default=False)] = None,
    newer_than: Age = None,
    older_than: Age = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Largest number of jobs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connect() as client:
        found = client.list(
            kind=UntypedKind(kind) if kind else None,
            state=state,
            model=model,
            group=group,
            text=text,
            tenant=tenant,
            created_after=_ago(newer_than, "newer-than"),
            created_before=_ago(older_than, "older-than"),
            limit=limit,
        )
    note_read(found)
    if as_json:
        print_json(found)
    else:
        DATA.print(jobs_table(found))


def show(
    job_id: Annotated[
        str,
        typer.Argument(
            metavar="ID|PICTURE", help="Id of the job, as `submit` prints it, or the path of a picture."
        ),
    ],
    save: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the files of the result to this folder.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a job with its request, result and pictures; of a picture, the parameters that stand in it."""
    if Path(job_id).is_file():
        show_picture(Path(job_id), as_json=as_json)
        return
    with connect() as client:
        job = client.get(job_id)
        note_read([job])
        if as_json:
            print_json(job)
        else:
            print_job(client, job)
            print_outlook(client.outlook(job_id))
        for file in save_files(job, save) if save else []:
            NEWS.print(f"wrote {file}", soft_wrap=True)


def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a job. A queued job ends at once, a running job at its next step."""
    with connect() as client:
        job = client.cancel(job_id)
    if as_json:
        print_json(job)
    elif job.is_finished:
        DATA.print(state_text(job.state))
    else:
        DATA.print("canceling: the job ends at its next step")


def delete(
    job_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of jobs that have ended.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Delete jobs that have ended, with their results and the files that nothing else uses."""
    deleted = []
    with connect() as client:
        try:
            for job_id in job_ids:
                client.delete(job_id)
                deleted.append(job_id)
        finally:
            # An error about one job does not hide that those before it are gone.
            if as_json:
                print_json({"deleted": deleted})
            elif deleted:
                DATA.print(f"deleted {', '.join(deleted)}", soft_wrap=True)


def _ago(age: str | None, option: str) -> datetime | None:
    return None if age is None else datetime.now(UTC) - timedelta(seconds=seconds(age, option))
