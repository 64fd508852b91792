"""`brushwork submit`."""

from pathlib import Path
from typing import Annotated

import typer
from brushwork_schemas.kinds.registry import all_kinds, kind_named

from brushwork.cli import completion
from brushwork.cli.commands.wait import Previews, print_submitted
from brushwork.cli.connection import connect
from brushwork.cli.parameters import parsed
from brushwork.typed.arguments import UntypedKind


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
        job = client.submit(UntypedKind(kind), **parameters)
        print_submitted(client, job, wait=wait, timeout_s=timeout, previews=previews, as_json=as_json)
