"""Remembers for some seconds whether the artifact store can be used."""

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.timing.remembered_check import RememberedCheck


class StoreProbe(RememberedCheck):
    """Writes, reads and removes a file in the store, at most once in some seconds.

    Args:
        store: The artifact store.
    """

    def __init__(self, store: ArtifactStore) -> None:
        super().__init__(store.check)
