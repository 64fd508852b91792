"""The pictures that a job makes others from, as a signature names them."""

import logging
from collections.abc import Mapping

from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.kept import KeptCredentials
from brushwork_core.provenance.credentials.reader import type_of
from brushwork_core.provenance.facts import PictureFacts
from brushwork_schemas.errors import ArtifactMissing

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.attempt_files import AttemptFiles

LOGGER = logging.getLogger(__name__)


class Ingredients:
    """Knows the input pictures of one attempt, each read once.

    Args:
        attempt: The attempt.
        files: Reads its inputs.
    """

    def __init__(self, attempt: Attempt, files: AttemptFiles) -> None:
        self._attempt = attempt
        self._files = files
        self._read: dict[str, bytes] = {}
        self._found: dict[str, Ingredient] | None = None

    def note(self, sha256: str, data: bytes) -> None:
        """Remember an input picture that was read."""
        self._read[sha256] = data

    def of(self, facts: PictureFacts) -> Mapping[str, Ingredient]:
        """Return the pictures that another is made from, by their SHA-256.

        Raises:
            ServiceUnreachable: The store or the database does not answer.
            JobStopped: The attempt must stop.
        """
        if self._found is None:
            names = {picture.sha256 for picture in facts.inputs}
            kept = self._files.credentials_of(names) if names else {}
            self._found = {name: self._ingredient(name, kept.get(name)) for name in names}
        return self._found

    def _ingredient(self, sha256: str, credentials: str | None) -> Ingredient:
        data = self._read.get(sha256)
        if data is None:
            data = self._files.get(sha256)
        return Ingredient(data, type_of(data) or "image/png", self._kept(credentials))

    def _kept(self, name: str | None) -> KeptCredentials | None:
        if name is None:
            return None
        try:
            return KeptCredentials.of_content(self._files.get(name))
        # An older program may have removed it. The picture itself is there.
        except ArtifactMissing as error:
            LOGGER.warning("Job %s: credentials of an input are lost: %s", self._attempt.claim.job_id, error)
            return None
