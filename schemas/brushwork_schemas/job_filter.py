"""A filter for lists of jobs."""

from dataclasses import dataclass
from datetime import datetime

from brushwork_schemas.states import JobState

# A text is searched for in this many jobs at most.
MOST_SEARCHED = 20_000


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list is to hold; what is None lets all through.

    Args:
        text: Part of the prompt, the caption, the label or the id, in any case; looked for in the newest
            `MOST_SEARCHED` of those that fit otherwise.
    """

    kind: str | None = None
    state: JobState | None = None
    model: str | None = None
    tenant: str | None = None
    group: str | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


EVERYTHING = JobFilter()
