"""`brushwork submit` and `upload`."""

from pathlib import Path
from typing import Annotated

import typer
from brushwork_schemas.kinds.registry import all_kinds, kind_named

from brushwork.cli import completion
from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.commands.wait import Previews, print_submitted
from brushwork.cli.connection import connect
from brushwork.cli.parameters import parsed
from brushwork.cli.terminal import DATA, print_json
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
            "seed=7 mask_image=mask.png images=a.png images=b.png loras=ink:0.8 points=12,30 "
            "explain=occlusion explain.patch_size=16.",
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(
            help="Path of the picture; the same as image=PATH. Repeat it for a kind that takes several.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the job ends, and show the result.")
    ] = False,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait at most.")] = None,
    previews: Previews = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Submit a job and print its id."""
    known = kind_named(kind)
    name = "image" if "image" in known.files else next(iter(known.file_lists), "image")
    parameters = parsed(known, [*(f"{name}={path}" for path in image or ()), *(words or ())])
    with connect() as client:
        job = client.submit(UntypedKind(kind), **parameters)
        print_submitted(client, job, wait=wait, timeout_s=timeout, previews=previews, as_json=as_json)


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
