"""Check the arguments of `list`: which jobs, and how many."""

from collections.abc import Iterable
from datetime import datetime

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job, id_of
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said

MOST_LISTED = 10_000


def job_filter(
    *,
    kind: str | None,
    state: JobState | str | None,
    model: str | None,
    tenant: str | None,
    group: str | None,
    text: str | None,
    created_after: datetime | None,
    created_before: datetime | None,
) -> JobFilter:
    """Return the filter for these arguments of `Client.list`.

    Raises:
        InvalidRequest: No job state has the name `state`.
    """
    return JobFilter(
        kind=kind,
        state=_known_state(state),
        model=model,
        tenant=tenant,
        group=group,
        text=text,
        created_after=created_after,
        created_before=created_before,
    )


def checked_limit(limit: int) -> int:
    """Return `limit`.

    Raises:
        InvalidRequest: It is not in the range 1 to `MOST_LISTED`.
    """
    if 1 <= limit <= MOST_LISTED:
        return limit
    raise InvalidRequest(
        said("limit: must be 1 to {most_listed}. Got {limit}.", most_listed=MOST_LISTED, limit=limit),
        field="limit",
        hint="For more jobs, pass the last job of a page as `before` to get the next page.",
    )


def checked_ids(jobs: Iterable[Job | str]) -> list[str]:
    """Return the ids of several jobs.

    Args:
        jobs: Jobs or ids.

    Raises:
        InvalidRequest: It is one job or one id. Both can be iterated, but not as jobs.
    """
    if isinstance(jobs, str | Job):
        raise InvalidRequest(
            "jobs: must be a list of jobs or ids, not a single one.",
            field="jobs",
            hint="Write wait_all([job]), or wait(job).",
        )
    return [id_of(job) for job in jobs]


def _known_state(state: JobState | str | None) -> JobState | None:
    try:
        return None if state is None else JobState(state)
    except ValueError:
        raise InvalidRequest(
            said("state: there is no state {state!r}.", state=state),
            field="state",
            hint=said("States are {jobstate}.", jobstate=JobState),
        ) from None
