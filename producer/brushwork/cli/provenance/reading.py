"""`brushwork provenance read`, and `brushwork show` of a picture."""

from pathlib import Path
from typing import Annotated

import typer
from brushwork_core.media.decoders.pool import decoder_of
from brushwork_core.provenance.credentials.source import trusted_pem
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.errors import ServiceUnreachable

from brushwork.cli.connection import connect, expect_service
from brushwork.cli.provenance.view import print_parameters, print_report
from brushwork.cli.terminal import NEWS, print_json
from brushwork.inputs.file_origin import FIELD
from brushwork.inputs.picture_files import picture_bytes

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def read(
    file: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    local: Annotated[
        bool, typer.Option("--local", help="Read the file here; do not ask a service which job made it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Report credentials, labels and parameters of a picture, and the jobs that made it.

    Without a service, the jobs are not searched.
    """
    report, is_searched = report_of(file, local=local)
    if as_json:
        print_json(report)
        return
    print_report(report, is_searched=is_searched)


def report_of(file: Path, *, local: bool = False) -> tuple[ProvenanceReport, bool]:
    """Return the report about a file, and whether the jobs of a service were searched.

    Args:
        file: Path of the picture.
        local: Whether no service is asked.

    Raises:
        InvalidImage: The file can't be read, or is no picture.
    """
    if not local and _has_service():
        with connect() as client:
            return client.provenance(file), True
    # The file may be anybody's, so a process with limits reads it.
    decoder = decoder_of(1, trusted_pem(Settings.load().credentials))
    return decoder.report(picture_bytes(file, FIELD), FIELD).report, False


def show_picture(file: Path, *, as_json: bool) -> None:
    """Print the parameters that stand in a picture, and how to submit them again."""
    report, _ = report_of(file)
    if as_json:
        print_json(report.parameters)
    elif report.parameters is None:
        NEWS.print(f"{file} holds no parameters.", soft_wrap=True)
        for match in report.matches:
            NEWS.print(f"It was made by job {match.job_id}: brushwork show {match.job_id}", soft_wrap=True)
        raise typer.Exit(1)
    else:
        print_parameters(report.parameters)


def _has_service() -> bool:
    try:
        expect_service()
    except ServiceUnreachable:
        return False
    return True
