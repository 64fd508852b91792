"""The report about a file: what it says of itself, and the jobs that made it."""

from brushwork_core.database.database import Database
from brushwork_core.media.decoders.decoder import Decoder
from brushwork_core.provenance.appearance.print_search import PrintSearch
from brushwork_schemas.artifact.provenance_report import ProvenanceReport

FIELD = "file"


class FileOrigin:
    """Reports about files.

    Args:
        decoder: Reads the files, which are untrusted.
        database: Database of the ledger.
    """

    def __init__(self, decoder: Decoder, database: Database) -> None:
        self._decoder = decoder
        self._search = PrintSearch(database)

    def report(self, data: bytes, tenant: str | None) -> ProvenanceReport:
        """Return the report about a file. The file is not stored.

        Args:
            data: The complete file of a picture, as it was received: another encoding has no metadata.
            tenant: Only jobs of this tenant are named; None for those of all tenants.

        Raises:
            InvalidImage: The file is no picture, or exceeds a limit.
            ServiceUnreachable: The database does not answer.
        """
        found = self._decoder.report(data, FIELD)
        matches = self._search.find(found.searched, tenant)
        return found.report.model_copy(update={"made_here": bool(matches), "matches": matches})
