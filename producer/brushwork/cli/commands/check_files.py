"""`brushwork check-files`."""

from typing import Annotated

import typer
from brushwork_core.files import file_check
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.file_check import DamagedFile
from brushwork_core.settings.settings import Settings
from rich.text import Text

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import open_database
from brushwork.cli.exit_status import ExitStatus
from brushwork.cli.terminal import DATA, print_json

# Jobs of one file that are printed; --json has all.
JOBS_PRINTED = 5


def check_files(
    content: Annotated[
        bool, typer.Option("--content", help="Read each file and compare its SHA-256, not only its size.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that the store has each file that the database names, for example after a restore.

    Exit with status 3 if a file is missing or damaged.
    """
    with open_database() as database:
        store = ArtifactStore(Settings.load().artifacts_url)
        found = file_check.check_files(database, store, content=content)
    if as_json:
        print_json(found)
    else:
        for file in found.damaged:
            DATA.print(_line(file), soft_wrap=True)
        DATA.print(
            f"{found.num_files} files, {found.num_bytes / 1e6:.1f} MB: "
            f"{len(found.damaged)} missing or damaged."
        )
    if found.damaged:
        raise typer.Exit(ExitStatus.MACHINE_ERROR)


def _line(file: DamagedFile) -> Text:
    jobs = " ".join(file.job_ids[:JOBS_PRINTED]) or "no job"
    more = len(file.job_ids) - JOBS_PRINTED
    return Text(f"{file.damage}: {file.sha256} of {jobs}" + (f" and {more} more" if more > 0 else ""))
