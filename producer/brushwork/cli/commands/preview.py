"""`brushwork preview`."""

from pathlib import Path
from typing import Annotated

import typer
from brushwork_core.timing.polling import poll
from brushwork_schemas.errors import InvalidRequest, WaitTimeout
from brushwork_schemas.preview import Preview
from brushwork_schemas.wording.phrase import said

from brushwork.cli.commands.jobs import AsJson, JobId
from brushwork.cli.connection import connect
from brushwork.cli.terminal import NEWS, print_json
from brushwork.cli.terminal_picture import show_picture
from brushwork.client import Client

POLL_S = 0.1


def preview(
    job_id: JobId,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the JPEG to this file.", show_default=False)
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for a preview.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Show the newest preview of a running job."""
    with connect() as client:
        found = first_preview(client, job_id, timeout)
    if output is not None:
        _write(found, output)
    if as_json:
        return print_json({"step": found.step, "total": found.total, "file": output})
    NEWS.print(f"step {found.step} of {found.total}")
    if output is None:
        show_picture(found.jpeg)


def _write(found: Preview, output: Path) -> None:
    try:
        NEWS.print(f"wrote {found.save(output)}", soft_wrap=True)
    except OSError as error:
        raise InvalidRequest(
            said("output: cannot write {output}: {error}.", output=output, error=error),
            field="output",
            hint="Choose another file.",
        ) from error


def first_preview(client: Client, job_id: str, timeout_s: float) -> Preview:
    """Return the newest preview, or wait for the first one.

    Args:
        client: The client.
        job_id: Id of the job.
        timeout_s: Seconds to wait.

    Raises:
        InvalidRequest: The job has ended.
        WaitTimeout: No preview came in time.
    """

    def look() -> Preview | None:
        if (found := client.preview(job_id)) is None:
            state, _ = client.look(job_id)
            if state.is_terminal:
                raise InvalidRequest(
                    said(
                        "Job {job_id} is {value}: only running jobs have previews.",
                        job_id=job_id,
                        value=state.value,
                    ),
                    hint=said("See its result: brushwork show {job_id}", job_id=job_id),
                )
        return found

    found = poll(look, every_s=POLL_S, timeout_s=timeout_s)
    if found is None:
        state, _ = client.look(job_id)
        raise WaitTimeout(
            said(
                "Job {job_id} is {value} and had no preview within {timeout_s:g} s; it goes on.",
                job_id=job_id,
                value=state.value,
                timeout_s=timeout_s,
            ),
            hint="Only jobs with denoising steps have previews, and not for every model.",
        )
    return found
