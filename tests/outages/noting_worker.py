"""A worker as `brushwork worker` runs it, which notes in a journal what its handlers begin and finish."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brushwork_workers.execution.executor import Executor

from tests.chaos.journal import Journal
from tests.fork_server import command


def run(arguments: Sequence[str], journal: str) -> None:
    """Run the command line; the fork server calls this in a process of its own.

    Args:
        arguments: Of `brushwork`, without the program's name.
        journal: The file of the journal.
    """
    notes = Journal(Path(journal))
    perform: Any = Executor._perform

    def noted(executor: Executor, attempt: Any, *given: Any, **options: Any) -> Any:
        notes.note("begun", *attempt.key)
        completed = perform(executor, attempt, *given, **options)
        notes.note("done", *attempt.key)
        return completed

    Executor._perform = noted  # type: ignore[method-assign]
    command.run(list(arguments))
