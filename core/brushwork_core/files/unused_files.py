"""Removes single files that nothing refers to any more, beside others who may store the same bytes again."""

import logging
import math
from collections.abc import Iterable

from brushwork_schemas.errors import ServiceUnreachable

from brushwork_core.database.database import Database
from brushwork_core.database.file_records import kept_unrecorded
from brushwork_core.files.artifact_store import ArtifactStore

LOGGER = logging.getLogger(__name__)


class UnusedFiles:
    """Removes files that no record names any more.

    Args:
        database: Database of the ledger.
        store: The artifact store.
    """

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self._store = store

    @property
    def database(self) -> Database:
        """Database of the ledger."""
        return self._database

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, unless a job or a caller has recorded the same bytes since.

        A file that cannot be removed now is left for `brushwork prune`; nothing refers to it.
        """
        for name in names:
            try:
                with kept_unrecorded(self._database, name) as is_free:
                    if is_free:
                        self._store.remove_if_old(name, -math.inf)
            except ServiceUnreachable as error:
                LOGGER.warning("File %s stays in the store: %s", name, error)
