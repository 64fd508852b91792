"""Reads why results of succeeded jobs are not served."""

from collections.abc import Mapping, Sequence
from typing import Any

from brushwork_schemas.job import Review
from brushwork_schemas.states import JobState
from sqlalchemy import Connection, select

from brushwork_core.database.review_table import REVIEWS, is_held
from brushwork_core.timing.timestamps import moment_of


def reviews_of(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> dict[str, Review]:
    """Return the reviews that results wait for, by job id. Only jobs without a result cost a query.

    Args:
        connection: Transaction in which the rows were read.
        rows: Columns of jobs, with their results.
    """
    ids = [row["id"] for row in rows if row["state"] == JobState.SUCCEEDED and row["result"] is None]
    if not ids:
        return {}
    columns = (REVIEWS.c.job_id, REVIEWS.c.policy, REVIEWS.c.reason, REVIEWS.c.created_at)
    found = connection.execute(select(*columns).where(REVIEWS.c.job_id.in_(ids), is_held()))
    return {
        row.job_id: Review(policy=row.policy, reason=row.reason, since=moment_of(row.created_at))
        for row in found
    }
