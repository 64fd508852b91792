"""`brushwork submit`."""

from pathlib import Path
from typing import Annotated

import typer
from brushwork_schemas.kinds.registry import all_kinds, kind_named

from brushwork.cli import completion
from brushwork.cli.commands.wait import Previews, waited
from brushwork.cli.connection import connect
from brushwork.cli.parameters import parsed
from brushwork.cli.terminal import DATA, print_json
from brushwork.cli.views.job import print_job


def submit(
    kind: Annotated[
        str,
        typer.Argument(help=f"Kind of the job: {', '.join(all_kinds())}.", autocompletion=completion.kinds),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROMPT|FILE] [NAME=VALUE]...",
            help="The prompt, or the path of the main file, and parameters by name: "
            "seed=7 mask_image=mask.png loras=ink:0.8 points=12,30.",
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="Path of the picture; the same as image=PATH.", show_default=False)
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the job ends, and show the result.")
    ] = False,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait at most.")] = None,
    previews: Previews = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Submit a job and print its id."""
    parameters = parsed(kind_named(kind), words or [])
    if image is not None:
        parameters["image"] = str(image)
    with connect() as client:
        job = client.submit(kind, **parameters)
        if wait:
            job = waited(client, job.id, timeout, previews)
        if as_json:
            print_json(job)
        elif wait:
            print_job(client, job)
        else:
            DATA.print(job.id)
        if wait:
            job.raise_for_state()
