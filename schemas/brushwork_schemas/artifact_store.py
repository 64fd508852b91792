"""Where artifacts lie: a folder or S3, through obstore; each named by the SHA-256 of its bytes."""

import hashlib
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from brushwork_schemas.artifact import Artifact, describe
from brushwork_schemas.errors import ArtifactMissing, ServiceUnreachable


class ArtifactStore:
    """Files by content: writing the same bytes twice is writing them once, so a late duplicate harms nothing.

    Args:
        url: A folder, or an address that obstore knows (`s3://bucket/prefix`, `gs://`, `az://`, `memory:///`).
    """

    def __init__(self, url: str) -> None:
        self._store: ObjectStore = (
            from_url(url) if "://" in url else LocalStore(Path(url).absolute(), mkdir=True)
        )

    def put(self, data: bytes) -> str:
        """Store `data` atomically: it is there in full or not at all.

        Returns:
            The SHA-256 by which it is found.

        Raises:
            ServiceUnreachable: The store does not take it (full, read-only, out of reach).
        """
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            obstore.put(self._store, _path(sha256), data, mode="create")
        except AlreadyExistsError:
            pass
        except (BaseError, OSError) as error:
            raise ServiceUnreachable(
                f"The artifact store takes no file: {error}.",
                field="artifacts_url",
                hint="Check BRUSHWORK_ARTIFACTS_URL, free space and write access.",
            ) from error
        return sha256

    def put_picture(self, data: bytes) -> Artifact:
        """Store an encoded picture, as `put`, and describe it."""
        return describe(data, self.put(data))

    def get(self, sha256: str) -> bytes:
        """The bytes of that name.

        Raises:
            ArtifactMissing: There are none.
            ServiceUnreachable: The store does not answer.
        """
        try:
            return bytes(obstore.get(self._store, _path(sha256)).bytes())
        except FileNotFoundError:
            raise ArtifactMissing(
                f"Artifact {sha256} is not in the store.",
                hint="Producers and workers must use the same BRUSHWORK_ARTIFACTS_URL.",
            ) from None
        except (BaseError, OSError) as error:
            raise ServiceUnreachable(
                f"The artifact store does not answer: {error}.", field="artifacts_url"
            ) from error

    def has(self, sha256: str) -> bool:
        """Whether there are bytes of that name."""
        try:
            obstore.head(self._store, _path(sha256))
        except FileNotFoundError:
            return False
        return True


def _path(sha256: str) -> str:
    # Two levels, so that no folder grows without bound.
    return f"{sha256[:2]}/{sha256}"
