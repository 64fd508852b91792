"""`brushwork upload`."""

from pathlib import Path
from typing import Annotated

import typer

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import connect
from brushwork.cli.terminal import DATA, print_json


def upload(
    file: Annotated[
        Path,
        typer.Argument(
            help="A picture (PNG, JPEG, WebP), or a zip, tar or folder of class folders.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Store a picture or a data set and print its name, for any number of jobs: image=NAME, dataset=NAME."""
    with connect() as client:
        artifact = client.upload(file)
    if as_json:
        print_json(artifact)
    else:
        DATA.print(artifact.sha256)
