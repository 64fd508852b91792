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
            help="A picture (PNG, JPEG, WebP, AVIF, HEIC, BMP, TIFF, GIF), or a zip, tar or folder with a "
            "folder for each class.",
            show_default=False,
        ),
    ],
    first_frame: Annotated[
        bool, typer.Option("--first-frame", help="Upload the first frame of an animated picture.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a picture or dataset and print its SHA-256, for use in jobs: image=SHA256, dataset=SHA256."""
    with connect() as client:
        artifact = client.upload(file, first_frame=first_frame)
    if as_json:
        print_json(artifact)
    else:
        DATA.print(artifact.sha256)
