"""`brushwork retry`."""

from typing import Annotated

import typer
from brushwork_schemas.kinds.registry import kind_named

from brushwork.cli.commands.jobs import AsJson, JobId
from brushwork.cli.commands.wait import Previews, print_submitted
from brushwork.cli.connection import connect
from brushwork.cli.parameters import parsed


def retry(
    job_id: JobId,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Changes to the request: seed=8.", show_default=False),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the job ends, and show the result.")
    ] = False,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait at most.")] = None,
    previews: Previews = False,
    as_json: AsJson = False,
) -> None:
    """Submit the request of a job that has ended again, and print the id of the new job."""
    with connect() as client:
        changes = parsed(kind_named(client.get(job_id).kind), words or [])
        job = client.retry(job_id, **changes)
        print_submitted(client, job, wait=wait, timeout_s=timeout, previews=previews, as_json=as_json)
