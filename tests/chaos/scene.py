"""Where a fault plays: makes stacks on the database at turn, and hands in their verdicts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.invariants import Verdict
from tests.chaos.nursery import Nursery
from tests.chaos.stack import Stack


class Scene:
    """Makes stacks.

    Args:
        folder: Empty.
        nursery: Where workers come from.
        database_url: Gives the address of a new, migrated database.
        hand_in: Told of each verdict.
    """

    def __init__(
        self,
        folder: Path,
        nursery: Nursery,
        database_url: Callable[[], str],
        hand_in: Callable[[Verdict], None],
    ) -> None:
        self._folder = folder
        self._nursery = nursery
        self.database_url = database_url
        self._hand_in = hand_in
        self._num = 0

    @contextmanager
    def stack(self, **options: Any) -> Iterator[Stack]:
        """A stack that is judged when its block ends.

        Args:
            options: As those of `Stack`; `database_url` is one, for a database by another way.
        """
        self._num += 1
        folder = self._folder / f"stack-{self._num}"
        folder.mkdir()
        database_url = options.pop("database_url", None) or self.database_url()
        with Stack(folder, self._nursery, database_url, **options) as stack:
            try:
                yield stack
                stack.settle()
            except BaseException:
                self._hand_in(stack.verdict())
                raise
            verdict = stack.verdict()
            self._hand_in(verdict)
            assert not verdict.violations, "\n".join([*verdict.violations[:20], stack.logs()[-6000:]])
