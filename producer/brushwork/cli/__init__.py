"""The command `brushwork`."""

import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NoReturn

import typer
from brushwork_core.audit.actor import Actor, ActorKind, acting_as
from brushwork_schemas.errors import BrushworkError, InvalidRequest

from brushwork.cli import service_log
from brushwork.cli.application import app
from brushwork.cli.exit_status import ExitStatus, status_of
from brushwork.cli.operations import OperationEnded
from brushwork.cli.terminal import print_error, print_error_as_json

# What typer raises for a wrong command line. It exports only this subclass of it.
_WrongCommandLine: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, by default that of this process, and exit with a status of `ExitStatus`.

    With the option `--json`, an error is printed as one JSON object on standard error.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in takewhile(lambda word: word != "--", given)
    as_lines = service_log.begin(given)
    show = service_log.report if as_lines else print_error_as_json if as_json else print_error
    try:
        # In standalone mode, typer prints a wrong command line itself, in a box.
        with acting_as(Actor.of_process(ActorKind.OPERATOR)):
            status = app(args=given, prog_name="brushwork", standalone_mode=not (as_json or as_lines))
    except BrushworkError as error:
        show(error)
        sys.exit(status_of(error))
    except OperationEnded as ended:
        show(ended.error)
        sys.exit(ended.status)
    except _WrongCommandLine as wrong:
        (service_log.report if as_lines else print_error_as_json)(_wrong_command_line(wrong))
        sys.exit(ExitStatus.REQUEST_ERROR)
    except typer.Abort:
        sys.exit(ExitStatus.INTERRUPTED)
    sys.exit(status or ExitStatus.OK)


def _wrong_command_line(wrong: Any) -> InvalidRequest:
    parameter = getattr(wrong, "param", None)
    return InvalidRequest(
        wrong.format_message(),
        field=parameter.name if parameter is not None else None,
        hint="See: brushwork COMMAND --help",
    )
