"""Whether the artifact store takes a file, gives it back and lets go of it."""

import secrets
from collections.abc import Iterator

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError

from brushwork.doctor.finding import Finding, fail, ok

ABOUT = "store"
# Of any age, one stored in the future of a slow clock included.
ANY_AGE_S = -24 * 3600.0


def check_store(settings: Settings) -> Iterator[Finding]:
    """Write, read, remove."""
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
        yield fail(ABOUT, "The artifact store gave back other bytes than it took.", "Check its disk.")
    else:
        yield ok(ABOUT, f"{settings.artifacts_url} takes, gives and removes files.")
