"""`brushwork doctor`."""

from typing import Annotated

import typer
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceMisconfigured
from rich.text import Text

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.connection import expect_service
from brushwork.cli.exit_status import ExitStatus
from brushwork.cli.terminal import DATA, print_json
from brushwork.doctor.finding import Finding, Level

STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 3 for warnings too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check Redis, database, store, models, GPU, workers, gateway and versions, and name the fixes."""
    # Imported here, because the checks import an HTTP client that the other commands do not need.
    from brushwork.doctor.checkup import findings

    expect_service(ServiceMisconfigured)
    found: list[Finding] = []
    for finding in findings(Settings.load()):
        found.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json(found)
    bad = {Level.FAIL, Level.WARN} if strict else {Level.FAIL}
    if any(finding.level in bad for finding in found):
        raise typer.Exit(ExitStatus.MACHINE_ERROR)


def _print(finding: Finding) -> None:
    line = Text.assemble(
        (f"{finding.level:<5}", STYLES[finding.level]), f"{finding.about:<9} ", finding.message
    )
    DATA.print(line, soft_wrap=True)
    if finding.hint:
        DATA.print(Text(f"{'':15}{finding.hint}", "dim"), soft_wrap=True)
