"""A ledger whose process dies between two statements of an operation; somebody else repeats it."""

from collections.abc import Callable
from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.database.tables import METADATA
from brushwork_core.ledger import Ledger
from sqlalchemy import event, select


class Crash(BaseException):
    """No `Exception`: nothing in the code under test catches it, as nothing catches a `kill -9`."""


class CrashingLedger:
    """The operations of a ledger, the next of which may break off.

    Args:
        ledger: Whose operations.
        database: Its database.
        repeats: Whether who comes after repeats what broke off, and gives its answer.
    """

    def __init__(self, ledger: Ledger, database: Database, *, repeats: bool) -> None:
        self._repeats = repeats
        self._ledger = ledger
        self._database = database
        self._armed: int | None = None
        self._statements_left: int | None = None
        self.num_crashes = 0
        event.listen(database.engine, "before_cursor_execute", self._count)
        event.listen(database.engine, "commit", self._count)

    def arm(self, statements: int) -> None:
        """Let the next operation break off after so many statements, the commit included, if it has more."""
        self._armed = statements

    def close(self) -> None:
        """No more crashes."""
        event.remove(self._database.engine, "before_cursor_execute", self._count)
        event.remove(self._database.engine, "commit", self._count)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._ledger, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if self._armed is None:
                return operation(*arguments, **options)
            before = self.contents()
            self._statements_left, self._armed = self._armed, None
            try:
                return operation(*arguments, **options)
            except Crash:
                self.num_crashes += 1
                assert self.contents() == before, f"{name} left something behind"
                if not self._repeats:
                    raise
            finally:
                self._statements_left = None
            return operation(*arguments, **options)

        return call

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables."""
        with self._database.reading() as connection:
            return {
                table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
                for table in METADATA.sorted_tables
            }

    def _count(self, *event: object) -> None:
        if self._statements_left is None:
            return
        if self._statements_left == 0:
            self._statements_left = None
            raise Crash
        self._statements_left -= 1
