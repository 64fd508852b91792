"""Store files and record them, although another job's deletion may remove them in between."""

from collections.abc import Callable
from typing import TypeVar

from brushwork_schemas.errors import ArtifactMissing

T = TypeVar("T")
# Each repetition needs another deletion of the last job with the same file, within milliseconds.
MOST_TRIES = 4


def stored_and_recorded(attempt: Callable[[], T]) -> T:
    """Return what `attempt` returns. It is repeated if one of its files was removed before it was recorded.

    Args:
        attempt: Stores files, and writes the rows that refer to them.

    Raises:
        ArtifactMissing: Even the last attempt found a file removed.
    """
    for _ in range(MOST_TRIES - 1):
        try:
            return attempt()
        except ArtifactMissing:
            continue
    return attempt()
