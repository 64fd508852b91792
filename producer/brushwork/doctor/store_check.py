"""Check that the artifact store can write, read and remove a file."""

import secrets
from collections.abc import Iterator

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError

from brushwork.doctor.finding import Finding, fail, ok

ABOUT = "store"
# Any age, also a negative one if the clocks differ.
ANY_AGE_S = -24 * 3600.0


def check_store(settings: Settings) -> Iterator[Finding]:
    """Write, read and remove a file."""
    data = secrets.token_bytes(64)
    try:
        store = ArtifactStore(settings.artifacts_url)
        name = store.put(data)
        came_back = store.get(name)
        store.remove_if_old(name, ANY_AGE_S)
    except BrushworkError as error:
        yield fail(ABOUT, error.message, error.hint)
        return
    if came_back != data:
        yield fail(ABOUT, "The artifact store returned other bytes than were written.", "Check its disk.")
    else:
        yield ok(ABOUT, f"{settings.artifacts_url} writes, reads and removes files.")
