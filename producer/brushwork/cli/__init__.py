"""The command `brushwork`: an argument list in, an exit status out."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from brushwork_schemas.errors import BrushworkError

from brushwork.cli.application import app
from brushwork.cli.exit_status import ExitStatus, status_of
from brushwork.cli.terminal import complain


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, by default this process's, and exit as `brushwork --help` documents."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="brushwork")
    except BrushworkError as error:
        complain(error)
        sys.exit(status_of(error))
    sys.exit(ExitStatus.OK)
