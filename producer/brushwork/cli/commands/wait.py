"""`brushwork wait`, and the progress bar of all commands that wait."""

from typing import Annotated

import typer
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from brushwork.cli.connection import connect
from brushwork.cli.terminal import DATA, NEWS, print_json
from brushwork.cli.terminal_picture import show_picture
from brushwork.cli.views.job import print_job
from brushwork.client import Client

Previews = Annotated[
    bool, typer.Option("--preview", help="Show previews of the picture, if the terminal can.")
]


def wait(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `submit` prints it.")],
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait at most.")] = None,
    previews: Previews = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Wait until a job ends, and show its result."""
    with connect() as client:
        job = waited(client, job_id, timeout, previews)
        if as_json:
            print_json(job)
        else:
            print_job(client, job)
    job.raise_for_state()


def print_submitted(
    client: Client, job: Job, *, wait: bool, timeout_s: float | None, previews: bool, as_json: bool
) -> None:
    """Print a new job: its id, or with `wait` its result when it has ended.

    Args:
        client: Client that submitted the job.
        job: The new job.
        wait: Whether to wait until the job ends.
        timeout_s: Seconds to wait at most; None for no limit.
        previews: Whether to show previews while waiting.
        as_json: Whether to print the job as JSON.

    Raises:
        JobFailed: With `wait`, the job ended without a result.
    """
    # As JSON, the job itself has the warnings.
    for warning in () if as_json else job.warnings:
        NEWS.print(Text(f"Warning: {warning.message}", "yellow"), soft_wrap=True)
    if wait:
        job = waited(client, job.id, timeout_s, previews)
    if as_json:
        print_json(job)
    elif wait:
        print_job(client, job)
    else:
        DATA.print(job.id)
    if wait:
        job.raise_for_state()


def waited(client: Client, job_id: str, timeout_s: float | None, previews: bool = False) -> Job:
    """Return the job when it has ended. Until then, show a progress bar, and previews if requested."""
    with step_bars() as bars:
        bar = bars.add_task("queued", total=None)

        def show(state: JobState, progress: Progress) -> None:
            bars.update(bar, description=state.value, completed=progress.step, total=progress.total or None)

        def show_preview(preview: Preview) -> None:
            # The bar would be drawn over the picture.
            bars.stop()
            show_picture(preview.jpeg)
            bars.start()

        try:
            return client.wait(
                job_id,
                timeout_s=timeout_s,
                on_progress=show,
                on_preview=show_preview if previews else None,
            )
        except KeyboardInterrupt:
            NEWS.print(f"The job continues. To wait again, run: brushwork wait {job_id}")
            raise


def step_bars() -> Bars:
    """Return progress bars on standard error, which disappear when they are done."""
    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=NEWS,
        transient=True,
    )
