"""Writes the ends of jobs that succeed at about the same time in one transaction."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from brushwork_core.ledger import Completion, Ledger, WriteOutcome
from brushwork_schemas.errors import ServiceUnreachable


@dataclass(eq=False)
class _Waiting:
    completion: Completion
    outcome: "Future[WriteOutcome]" = field(default_factory=Future)


class GroupedCompletions:
    """Completes jobs for many threads. While one thread writes, the ends of others gather for the next.

    The thread whose turn it is writes for all that wait (flat combining, Hendler, Incze, Shavit and Tzafrir,
    2010), so a job that ends alone does not wait.

    Args:
        ledger: Takes the results.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: deque[_Waiting] = deque()
        self._turn = threading.Lock()

    def complete(self, completion: Completion) -> WriteOutcome:
        """End a job as succeeded.

        Raises:
            ArtifactMissing: A file of this job was removed after it was stored.
            ServiceUnreachable: The database does not answer.
        """
        return self.complete_together([completion])[0].result()

    def complete_together(self, completions: Sequence[Completion]) -> "list[Future[WriteOutcome]]":
        """End the jobs of one thread as succeeded.

        Returns:
            The outcome of each, or what `complete` raises.
        """
        own = [_Waiting(completion) for completion in completions]
        self._waiting.extend(own)
        with self._turn:
            if not all(each.outcome.done() for each in own):
                self._write([self._waiting.popleft() for _ in range(len(self._waiting))])
        return [each.outcome for each in own]

    def _write(self, group: list[_Waiting]) -> None:
        try:
            outcomes = self._ledger.complete_many([each.completion for each in group])
        except ServiceUnreachable as error:
            for each in group:
                each.outcome.set_exception(error)
        except Exception as error:
            if len(group) == 1:
                group[0].outcome.set_exception(error)
                return
            # Nothing was written. Only the one that has failed is to know of it.
            for each in group:
                self._write([each])
        else:
            for each, outcome in zip(group, outcomes, strict=True):
                each.outcome.set_result(outcome)
