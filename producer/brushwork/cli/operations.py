"""Services and commands of operators: their exit status says whether another start can succeed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from brushwork_schemas.errors import BrushworkError
from typer.core import TyperCommand, TyperGroup

from brushwork.cli.exit_status import ExitStatus, status_of_operation


class OperationEnded(Exception):
    """An error ended a service or a command of operators.

    Args:
        error: The error.
        status: The exit status for it.
    """

    def __init__(self, error: BrushworkError, status: ExitStatus) -> None:
        super().__init__(str(error))
        self.error, self.status = error, status


class OperationCommand(TyperCommand):
    """A service, or a command of operators."""

    def invoke(self, ctx: Any) -> object:
        """Run the command."""
        with _ends_with_status():
            return super().invoke(ctx)


class OperationGroup(TyperGroup):
    """A group of commands of operators."""

    def invoke(self, ctx: Any) -> object:
        """Run a command of the group."""
        with _ends_with_status():
            return super().invoke(ctx)


@contextmanager
def _ends_with_status() -> Iterator[None]:
    try:
        yield
    except BrushworkError as error:
        raise OperationEnded(error, status_of_operation(error)) from error
