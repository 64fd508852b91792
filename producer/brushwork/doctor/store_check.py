"""Check that the artifact store can write, read and remove a file."""

import os
import secrets
from collections.abc import Iterator

from brushwork_core.files.artifact_store import ANY_AGE_S, ArtifactStore
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable

from brushwork.doctor.finding import Finding, fail, ok, warn

ABOUT = "store"


def check_store(settings: Settings) -> Iterator[Finding]:
    """Write, read and remove a file, and say which permission is missing."""
    place = _place(settings.artifacts_url)
    try:
        store = ArtifactStore(settings.artifacts_url)
        store.check()
        name = store.put(secrets.token_bytes(64))
    except ServiceUnreachable as error:
        yield fail(ABOUT, f"{error.message} The store is {place}.", error.hint)
        return
    try:
        store.remove_if_old(name, ANY_AGE_S)
    except ServiceUnreachable as error:
        yield warn(
            ABOUT,
            f"{place} writes and reads files, and does not remove them: {error.message}",
            "Grant s3:DeleteObject to whoever runs `brushwork prune`, the gateway and the workers.",
        )
        return
    yield ok(ABOUT, f"{place} writes, reads and removes files.")


def _place(url: str) -> str:
    """The address, with what else decides where S3 is."""
    if not url.lower().startswith(("s3://", "s3a://")):
        return url
    endpoint = next(
        (os.environ[name] for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
         if os.environ.get(name)), "AWS",
    )  # fmt: skip
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    # An address of a proxy may have a password.
    return (
        f"{url.rpartition('@')[2] if '@' in url else url} at {endpoint.rpartition('@')[2]}, region {region}"
    )
