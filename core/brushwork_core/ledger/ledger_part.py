"""The base class of the parts of the ledger."""

from sqlalchemy import Update

from brushwork_core.database.database import Database
from brushwork_core.database.file_records import IsStored, trusted
from brushwork_core.ledger.records import WriteOutcome


class LedgerPart:
    """A part of the ledger.

    Args:
        database: Database of the ledger.
        lease_s: Seconds for which a claim or a renewal is valid.
        is_stored: Returns whether the store has a file, for files that no other job refers to.
    """

    def __init__(self, database: Database, *, lease_s: float = 12.0, is_stored: IsStored = trusted) -> None:
        self._database = database
        self._is_stored = is_stored
        self._lease_ms = round(lease_s * 1000)

    def _write(self, statement: Update) -> WriteOutcome:
        changed = self._database.write(lambda connection: connection.execute(statement).rowcount)
        return WriteOutcome.of(changed > 0)
