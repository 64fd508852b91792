"""A filter for lists of jobs."""

from dataclasses import dataclass
from datetime import datetime

from brushwork_schemas.states import JobState

# Only so many jobs are searched for a text.
MOST_SEARCHED = 20_000


@dataclass(frozen=True)
class JobFilter:
    """Conditions on the jobs of a list. A field that is None is no condition.

    Args:
        kind: Name of a kind.
        state: State of the job.
        model: Name of a model.
        tenant: Tenant of the job.
        group: Group of the job.
        text: Part of the prompt, the caption, the label or the id, in upper or lower case. Only the newest
            `MOST_SEARCHED` jobs that meet the other conditions are searched.
        created_after: Earliest creation, exclusive.
        created_before: Latest creation, exclusive.
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
