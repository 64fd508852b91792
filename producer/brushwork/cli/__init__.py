"""The command `brushwork`."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from brushwork_schemas.errors import BrushworkError

from brushwork.cli.application import app
from brushwork.cli.exit_status import ExitStatus, status_of
from brushwork.cli.terminal import print_error


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, by default that of this process, and exit with a status of `ExitStatus`."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="brushwork")
    except BrushworkError as error:
        print_error(error)
        sys.exit(status_of(error))
    sys.exit(ExitStatus.OK)
